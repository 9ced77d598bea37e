#include "app/server_command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "app/stopped.h"
#include "app/supervisor.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/usage.h"

namespace coffer::app {
namespace {

constexpr const char* kFooter =
    "Example:\n"
    "  coffer server --data /srv/coffer --listen 127.0.0.1:7070\n\n"
    "The first start writes DIR/operator.token. SIGTERM lets requests finish and ends the server.\n"
    "Beyond loopback it serves only with --tls-cert and --tls-key, or --behind-proxy.\n"
    "The notify command gets one JSON object on stdin for each notice: ids only.";

// Parsed, or the exit status that the command line earned.
struct Parsed {
  std::optional<ServerOptions> options;
  int status{0};
};

Parsed parse(int argc, char** argv) {
  ServerOptions options;
  CLI::App app{"Runs a Cofferdam server on a data directory.", "coffer server"};
  app.footer(kFooter);
  std::string data;
  app.add_option("--data", data, "directory of the server's data, made when missing")->required();
  app.add_option("--listen", options.listen, "address and port")->capture_default_str();
  app.add_option("--tls-cert", options.tls_cert, "PEM certificate chain");
  app.add_option("--tls-key", options.tls_key, "PEM key");
  app.add_flag("--behind-proxy", options.behind_proxy, "a proxy in front does TLS");
  app.add_option("--notify-command", options.notify_command, "run for each notice");
  app.add_option("--master-key-command", options.master_key_command,
                 "prints the keeper's master key, 64 hex digits; else DIR/keeper/master.key");
  const auto size = [](const std::string& text) {
    const auto bytes = parse_size(text);
    return bytes ? std::string{} : bytes.error().message;
  };
  app.add_option("--quota-user", options.quota_user, "most bytes kept for one user, like 10GiB")
      ->check(size);
  app.add_option("--quota-total", options.quota_total, "most bytes kept for all, like 500GiB")
      ->check(size);
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    return {.options = {}, .status = cli::report_usage(app, error)};
  }
  options.data = std::filesystem::absolute(data);
  return {.options = std::move(options), .status = 0};
}

}  // namespace

CommandKind command_kind(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "server") return CommandKind::Server;
  if (first == "recover") return CommandKind::Recover;
  if (first == "backup") return CommandKind::Backup;
  if (first == "restore") return CommandKind::Restore;
  return CommandKind::Client;
}

int server_main(int argc, char** argv) {
  const Parsed parsed = parse(argc, argv);
  if (!parsed.options) return parsed.status;
  const auto done = supervise(*parsed.options);
  if (done) return 0;
  return report_failure("server", done.error());
}

int process_main(const std::string& name, int argc, char** argv) {
  const Parsed parsed = parse(argc, argv);
  if (!parsed.options) return kRefuses;
  return run_process(name, *parsed.options);
}

}  // namespace coffer::app
