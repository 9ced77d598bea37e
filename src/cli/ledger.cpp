// coffer ledger show, prove, export, verify.
#include "cli/command.h"
#include "cli/files.h"
#include "cli/version.h"
#include "ledger/proof.h"
#include "ledger/tiles.h"
#include "ledger/verify.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

struct ShowOptions {
  std::string dataset;
  std::string user;
  std::string since;
  std::string until;
};

// "2026-03-01" is its first instant, or the first after it; a whole time stays.
Result<std::string> time_option(std::string_view flag, const std::string& text) {
  if (text.empty()) return text;
  if (const auto time = parse_time(text)) return text;
  const auto end = parse_date_end(text);
  if (!end) return usage_error(std::string(flag) + ": " + end.error().message);
  return render_time(flag == "--until" ? *end : *end - std::chrono::hours{24});
}

std::string about(const Json& entry) {
  const auto fields = Json::parse(entry.text_or("private", ""));
  if (!fields || !fields->is_object()) return "";
  std::vector<std::string> parts;
  for (const auto& [name, value] : *fields->as_object()) {
    if (!value.is_string() && !value.is_number()) continue;
    const std::string text = value.is_string() ? *value.as_string() : value.canonical();
    parts.push_back(name + "=" + printable(text, 24));
  }
  return shortened(join(parts, " "), 90);
}

Result<int> show_entries(Session& session, const ShowOptions& options) {
  COFFER_TRY(const std::string since, time_option("--since", options.since));
  COFFER_TRY(const std::string until, time_option("--until", options.until));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array items,
             server->list("/v1/ledger/entries", query({{"dataset", options.dataset},
                                                       {"user", options.user},
                                                       {"since", since},
                                                       {"until", until}})));
  session.print(Json::object({{"items", items}}), [&] {
    std::vector<Cells> rows;
    for (const auto& item : items) {
      rows.push_back({std::to_string(item.int_or("index", -1)),
                      item.text_or("kind", "") == "lost" ? "" : item.text_or("time", ""),
                      printable(item.text_or("kind", "")), about(item)});
    }
    return render_table({">ENTRY", "TIME", "KIND", "ABOUT"}, rows);
  });
  return kExitDone;
}

Result<ledger::Policy> pinned_policy(Session& session) {
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const auto key, ledger::VerifierKey::parse(profile->keeper.ledger_vkey));
  return ledger::Policy::of_key(key);
}

struct ProveOptions {
  std::uint64_t entry{0};
  std::string output;
};

Result<int> prove(Session& session, const ProveOptions& options) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const std::string text,
             server->get_text(
                 target({"v1", "ledger", "entries", std::to_string(options.entry), "proof"})));
  COFFER_TRY(const ledger::Policy policy, pinned_policy(session));
  COFFER_TRY(const auto proof, ledger::ProofFile::parse(text));
  COFFER_TRY(const auto proven, ledger::verify_proof(proof, policy));
  if (proven.index != options.entry) return refused("corrupt", "the proof is of another entry");
  COFFER_CHECK(replace_file(options.output, text, Access::Ordinary));
  Json document = Json::object({{"entry", proven.index},
                                {"kind", proven.entry.kind},
                                {"size", proven.accepted.checkpoint.size},
                                {"file", options.output}});
  session.print(document, [&] {
    return "entry " + std::to_string(proven.index) + " (" + proven.entry.kind +
           ") is in the log of " + render_count(proven.accepted.checkpoint.size) + " entries" +
           ": " + options.output + "\n";
  });
  return kExitDone;
}

Result<int> export_files(Session& session, const std::string& output) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const ledger::Policy policy, pinned_policy(session));
  COFFER_TRY(const std::string checkpoint, server->get_text("/ledger/checkpoint"));
  COFFER_TRY(const ledger::Accepted accepted, policy.accept(checkpoint));
  ProgressLine progress{session.terminal(), session.clock(), "exporting the ledger"};
  std::size_t done = 0;
  const auto tiles = ledger::tiles_of(accepted.checkpoint.size);
  for (const auto& tile : tiles) {
    COFFER_TRY(const std::string bytes, server->get_text("/ledger/" + tile.path()));
    COFFER_CHECK(replace_file(fs::path(output) / tile.path(), bytes, Access::Ordinary));
    progress.step(counted(++done, "file"));
  }
  // Last: a directory with a checkpoint has all that the checkpoint covers.
  COFFER_CHECK(replace_file(fs::path(output) / "checkpoint", checkpoint, Access::Ordinary));
  Json document = Json::object(
      {{"directory", output}, {"size", accepted.checkpoint.size}, {"files", tiles.size() + 1}});
  COFFER_TRY(const Profile* profile, session.profile());
  session.print(document, [&] {
    return render_count(accepted.checkpoint.size) + " entries in " + output +
           "\nnext: coffer ledger verify " + output + " --key " + profile->keeper.ledger_vkey +
           "\n";
  });
  return kExitDone;
}

struct VerifyOptions {
  std::string path;
  std::string key;
  std::string policy;
};

Result<ledger::Policy> chosen_policy(const VerifyOptions& options) {
  if (options.key.empty() == options.policy.empty()) {
    return usage_error("whom to believe? --key VKEY, or --policy FILE",
                       "coffer ledger verify DIR --key VKEY");
  }
  if (!options.policy.empty()) {
    COFFER_TRY(const std::string text, read_whole(options.policy));
    return ledger::Policy::parse(text);
  }
  auto key = ledger::VerifierKey::parse(options.key);
  if (!key) return usage_error("--key: " + key.error().message);
  return ledger::Policy::of_key(*key);
}

Json witnesses_json(const ledger::Accepted& accepted) { return Json{accepted.witnesses}; }

Result<int> verify_files(Session& session, const VerifyOptions& options,
                         const ledger::Policy& policy) {
  ProgressLine progress{session.terminal(), session.clock(), "verifying"};
  COFFER_TRY(
      const ledger::DirectoryReport report,
      ledger::verify_directory(options.path, policy, [&](std::uint64_t done, std::uint64_t total) {
        progress.step(render_count(done) + " of " + render_count(total) + " entries");
      }));
  Json kinds = Json::object({});
  for (const auto& [kind, count] : report.kinds) kinds.set(kind.empty() ? "unknown" : kind, count);
  Json gaps = Json::array();
  for (const auto& gap : report.gaps) {
    gaps.push(Json::object(
        {{"first", gap.lost.first}, {"last", gap.lost.last}, {"recovery", gap.recovery}}));
  }
  Json document = Json::object({{"origin", report.accepted.checkpoint.origin},
                                {"size", report.entries},
                                {"root", report.accepted.checkpoint.root.base64()},
                                {"witnesses", witnesses_json(report.accepted)},
                                {"kinds", kinds},
                                {"gaps", gaps}});
  session.print(document, [&] {
    std::string text = "verified " + render_count(report.entries) + " entries of " +
                       report.accepted.checkpoint.origin + ", root " +
                       report.accepted.checkpoint.root.base64() + "\n";
    for (const auto& gap : report.gaps) {
      text += "gap: entries " + std::to_string(gap.lost.first) + " to " +
              std::to_string(gap.lost.last) + " are known by their hashes only (recovery, entry " +
              std::to_string(gap.recovery) + ")\n";
    }
    return text;
  });
  return kExitDone;
}

Result<int> verify_one(Session& session, const VerifyOptions& options,
                       const ledger::Policy& policy) {
  COFFER_TRY(const std::string text, read_whole(options.path));
  COFFER_TRY(const auto proof, ledger::ProofFile::parse(text));
  COFFER_TRY(const auto proven, ledger::verify_proof(proof, policy));
  COFFER_TRY(const Json fields, proven.opening.private_fields());
  Json document = Json::object({{"origin", proven.accepted.checkpoint.origin},
                                {"entry", proven.index},
                                {"size", proven.accepted.checkpoint.size},
                                {"kind", proven.entry.kind},
                                {"time", render_time(proven.entry.time)},
                                {"witnesses", witnesses_json(proven.accepted)},
                                {"private", fields}});
  session.print(document, [&] {
    return "entry " + std::to_string(proven.index) + " of " + proven.accepted.checkpoint.origin +
           " is a " + proven.entry.kind + " of " + render_time(proven.entry.time) + "\n" +
           (fields.is_null() ? "" : fields.pretty() + "\n");
  });
  return kExitDone;
}

// Needs no server and no profile.
Result<int> verify(Session& session, const VerifyOptions& options) {
  COFFER_TRY(const ledger::Policy policy, chosen_policy(options));
  std::error_code ignored;
  if (fs::is_directory(options.path, ignored)) return verify_files(session, options, policy);
  return verify_one(session, options, policy);
}

}  // namespace

void add_ledger_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "ledger", "The log of every decision");
  auto show = std::make_shared<ShowOptions>();
  auto* command = add(group, "show", "Entries, oldest first",
                      "coffer ledger show --dataset clinic/tumours --since 2026-03-01");
  command->add_option("--dataset", show->dataset, "ORG/NAME");
  command->add_option("--user", show->user, "A user");
  command->add_option("--since", show->since, "A date or time");
  command->add_option("--until", show->until, "A date (its end) or time");
  on(menu, command, [show](Session& session) { return show_entries(session, *show); });
  auto proving = std::make_shared<ProveOptions>();
  command = add(group, "prove", "Writes a .tlog-proof of one entry",
                "coffer ledger prove 41 -o entry.tlog-proof");
  command->add_option("ENTRY", proving->entry, "Its index")->required();
  command->add_option("-o,--output", proving->output, "A file")->required();
  on(menu, command, [proving](Session& session) { return prove(session, *proving); });
  auto output = std::make_shared<std::string>();
  command =
      add(group, "export", "Writes the static files of the log", "coffer ledger export -o ledger");
  command->add_option("-o,--output", *output, "A directory")->required();
  on(menu, command, [output](Session& session) { return export_files(session, *output); });
  auto verifying = std::make_shared<VerifyOptions>();
  command = add(group, "verify", "Verifies an export or a proof offline; names the first bad entry",
                "coffer ledger verify ledger --key \"$VKEY\"");
  command->add_option("PATH", verifying->path, "A directory, or a .tlog-proof")->required();
  command->add_option("--key", verifying->key, "The log's verifier key");
  command->add_option("--policy", verifying->policy, "A tlog-policy file");
  on(menu, command, [verifying](Session& session) { return verify(session, *verifying); });
}

}  // namespace coffer::cli
