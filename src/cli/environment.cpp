// coffer env add, ls, show, rm, fetch.
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/local.h"
#include "crypto/file_digest.h"
#include "env/messages.h"
#include "os/files.h"

namespace coffer::cli {
namespace {

constexpr auto kPollTime = 500ms;

struct EnvironmentOptions {
  std::string name;
  std::string preset;
  std::vector<std::string> pip;
  std::string requirements;
  std::string oci;
  std::vector<std::string> apt;
};

// Before it is sent: it may take an hour.
Result<> check_archive(const std::string& path, int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return system_error("read " + printable(path), errno);
  if (static_cast<std::uint64_t>(facts.st_size) <= env::kArchiveMax) return {};
  return refused("archive_too_large", printable(path, 80) + " has " +
                                          render_size(static_cast<std::uint64_t>(facts.st_size)) +
                                          ": an OCI archive has at most " +
                                          render_size(env::kArchiveMax));
}

Result<Json> body_of(Session& session, const EnvironmentOptions& options) {
  Json body = Json::object({{"name", options.name},
                            {"preset", nullptr},
                            {"pip", nullptr},
                            {"requirements", nullptr},
                            {"oci", nullptr},
                            {"oci_digest", nullptr},
                            {"apt", options.apt}});
  const int given = (options.preset.empty() ? 0 : 1) + (options.pip.empty() ? 0 : 1) +
                    (options.requirements.empty() ? 0 : 1) + (options.oci.empty() ? 0 : 1);
  if (given != 1) {
    return usage_error(
        "an environment is made from exactly one of --preset, --pip, "
        "--requirements, --oci",
        "coffer env add " + options.name + " --preset sklearn");
  }
  if (!options.oci.empty() && !options.apt.empty()) {
    return usage_error("--apt: an OCI image brings its own packages");
  }
  if (!options.preset.empty()) body.set("preset", options.preset);
  if (!options.pip.empty()) body.set("pip", options.pip);
  if (!options.requirements.empty()) {
    COFFER_TRY(std::string text, read_whole(options.requirements, env::kRequirementsMax));
    body.set("requirements", std::move(text));
  }
  if (!options.oci.empty()) {
    COFFER_TRY(const UniqueFd fd, open_to_read(options.oci));
    COFFER_CHECK(check_archive(options.oci, fd.get()));
    COFFER_TRY(Server * server, session.server());
    ProgressLine progress{session.terminal(), session.clock(), "sending " + options.oci};
    const auto digest = sha256_of_file(fd.get());
    if (!digest) return system_error("read " + printable(options.oci), errno);
    COFFER_TRY(std::string upload, server->upload(fd.get(), shown_on(progress)));
    body.set("oci", std::move(upload)).set("oci_digest", digest->text());
  }
  return body;
}

// The last lines of the build log say why it failed.
std::string log_tail(Server& server, const std::string& name) {
  std::string text;
  std::uint64_t offset = 0;
  for (;;) {
    const auto piece = server.get(target({"v1", "environments", name, "log"}) +
                                  query({{"offset", std::to_string(offset)}}));
    if (!piece) break;
    const std::string more = piece->text_or("text", "");
    if (more.empty()) break;
    text += more;
    offset = static_cast<std::uint64_t>(piece->int_or("next_offset", 0));
  }
  auto lines = split(trim(text), '\n');
  if (lines.size() > 15) lines.erase(lines.begin(), lines.end() - 15);
  for (auto& line : lines) line = "  " + printable(line);
  return join(lines, "\n");
}

std::string render_environment(const Terminal& terminal, const Json& document) {
  const auto bytes = static_cast<std::uint64_t>(document.int_or("bytes", 0));
  Fields fields{{"environment", printable(document.text_or("name", ""))},
                {"state", terminal.state(document.text_or("state", ""))},
                {"digest", document.text_or("digest", "none yet")},
                {"size", bytes == 0 ? "unknown" : render_size(bytes)},
                {"made from", printable(document["spec"].canonical(), 400)},
                {"created", document.text_or("created", "")}};
  if (document["error"].is_string()) {
    fields.emplace_back("error", printable(document.text_or("error", ""), 400));
  }
  return render_fields(fields);
}

Result<Json> wait_for(Session& session, const std::string& name) {
  COFFER_TRY(Server * server, session.server());
  ProgressLine progress{session.terminal(), session.clock(), "building " + name};
  for (;;) {
    COFFER_TRY(Json document, server->get(target({"v1", "environments", name})));
    const std::string state = document.text_or("state", "");
    if (state == "ready") return document;
    if (state == "failed") {
      session.terminal().note(log_tail(*server, name));
      return refused("environment_failed",
                     name + " could not be made: " + printable(document.text_or("error", ""), 400),
                     "coffer env add " + name + " …");
    }
    progress.step(printable(document.text_or("step", state)));
    std::this_thread::sleep_for(kPollTime);
  }
}

Result<int> add_environment(Session& session, const EnvironmentOptions& options) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json body, body_of(session, options));
  COFFER_TRY([[maybe_unused]] const Json accepted, server->post("/v1/environments", body));
  COFFER_TRY(const Json document, wait_for(session, options.name));
  session.print(document, [&] { return render_environment(session.terminal(), document); });
  return kExitDone;
}

Result<int> list_environments(Session& session) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array items, server->list("/v1/environments"));
  session.print(Json::object({{"items", items}}), [&] {
    std::vector<Cells> rows;
    for (const auto& item : items) {
      const auto bytes = static_cast<std::uint64_t>(item.int_or("bytes", 0));
      rows.push_back(
          {printable(item.text_or("name", "")), session.terminal().state(item.text_or("state", "")),
           bytes == 0 ? "" : render_size(bytes), item.text_or("digest", "").substr(0, 19)});
    }
    return render_table({"ENVIRONMENT", "STATE", ">SIZE", "DIGEST"}, rows);
  });
  return kExitDone;
}

Result<int> show_environment(Session& session, const std::string& name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json document, server->get(target({"v1", "environments", name})));
  session.print(document, [&] {
    std::string text = render_environment(session.terminal(), document);
    if (document.text_or("state", "") != "ready") text += log_tail(*server, name) + "\n";
    return text;
  });
  return kExitDone;
}

Result<int> remove_environment(Session& session, const std::string& name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_CHECK(server->remove(target({"v1", "environments", name})));
  session.print(Json::object({{"name", name}, {"removed", true}}),
                [&] { return name + " is removed\n"; });
  return kExitDone;
}

Result<int> fetch(Session& session, const std::string& text) {
  auto name = program::EnvironmentName::parse(text);
  if (!name) return usage_error(name.error().message, "coffer env ls");
  COFFER_TRY(const LocalEnvironment local, fetch_environment(session, *name));
  session.print(
      Json::object(
          {{"name", name->name}, {"digest", local.digest.text()}, {"root", local.root.string()}}),
      [&] {
        return render_fields({{"environment", name->name},
                              {"digest", local.digest.text()},
                              {"root", local.root.string()}});
      });
  return kExitDone;
}

}  // namespace

void add_environment_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "env", "Environments: the root file systems of programs");
  auto options = std::make_shared<EnvironmentOptions>();
  auto* command = add(group, "add", "Builds an environment and waits for it",
                      "coffer env add python-sklearn --preset sklearn");
  command->add_option("NAME", options->name, "Its name")->required();
  command->add_option("--preset", options->preset, "sklearn, torch-cpu or xgboost");
  command->add_option("--pip", options->pip, "Requirements: numpy==2.1 scipy …");
  command->add_option("--requirements", options->requirements, "A requirements file");
  command->add_option("--oci", options->oci, "An OCI image archive");
  command->add_option("--apt", options->apt, "Debian packages beside");
  on(menu, command, [options](Session& session) { return add_environment(session, *options); });
  on(menu, add(group, "ls", "All environments", "coffer env ls"),
     [](Session& session) { return list_environments(session); });
  command = add(group, "show", "One environment; its log while it is not ready",
                "coffer env show python-sklearn");
  command->add_option("NAME", options->name, "NAME or NAME@sha256:…")->required();
  on(menu, command,
     [options](Session& session) { return show_environment(session, options->name); });
  command = add(group, "rm", "Removes a name and its digests", "coffer env rm old");
  command->add_option("NAME", options->name, "NAME or NAME@sha256:…")->required();
  on(menu, command,
     [options](Session& session) { return remove_environment(session, options->name); });
  command = add(group, "fetch", "Brings an environment here, for `coffer try`",
                "coffer env fetch python-sklearn");
  command->add_option("NAME", options->name, "NAME or NAME@sha256:…")->required();
  on(menu, command, [options](Session& session) { return fetch(session, options->name); });
}

}  // namespace coffer::cli
