// coffer grant ls, show, revoke; the commands of `coffer grant` and their options.
#include "cli/grant.h"

#include "cli/command.h"

namespace coffer::cli {
namespace {

std::uint64_t number(const Json& object, std::string_view key) {
  return object[key].as_uint().value_or(0);
}

std::string names_of(const Json& array) {
  std::vector<std::string> names;
  if (const auto* items = array.as_array()) {
    for (const auto& item : *items) {
      if (const auto* text = item.as_string()) names.push_back(printable(*text));
    }
  }
  return join(names, ",");
}

Result<int> list_grants(Session& session) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array items, server->list("/v1/grants"));
  session.print(Json::object({{"items", items}}), [&] {
    std::vector<Cells> rows;
    for (const auto& item : items) {
      rows.push_back({item.text_or("id", ""), session.terminal().state(item.text_or("state", "")),
                      printable(item.text_or("dataset", "")), names_of(item["grantees"]),
                      render_count(number(item["spent"], "bits")) + " of " +
                          render_count(number(item["budget"], "bits")),
                      std::to_string(number(item["spent"], "runs")) + " of " +
                          std::to_string(number(item["budget"], "runs")),
                      item.text_or("until", "")});
    }
    return render_table({"GRANT", "STATE", "DATASET", "FOR", ">BITS", ">RUNS", "UNTIL"}, rows);
  });
  return kExitDone;
}

std::string dataset_text(const Json& grant) {
  return printable(grant.text_or("dataset", "")) +
         (grant.text_or("manifest", "") == "*" ? " (every version)" : "");
}

std::string budget_table(const Json& grant) {
  std::vector<Cells> rows;
  for (const auto* key : {"bits", "epsilon_milli", "runs", "cpu_ms"}) {
    rows.push_back({key, render_count(number(grant["budget"], key)),
                    render_count(number(grant["reserved"], key)),
                    render_count(number(grant["spent"], key))});
  }
  return render_table({"", ">BUDGET", ">RESERVED", ">SPENT"}, rows);
}

Result<int> show_grant(Session& session, const std::string& text) {
  COFFER_TRY(const std::string id, session.resolve(kGrantNoun, text));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json grant, server->get(target({"v1", "grants", id})));
  session.remember("grant", id);
  session.print(grant, [&] {
    const auto needed = number(grant, "approvals_needed");
    return render_fields(
               {{"grant", id + "  " + session.terminal().state(grant.text_or("state", ""))},
                {"dataset", dataset_text(grant)},
                {"owner", printable(grant.text_or("owner", ""))},
                {"for", names_of(grant["grantees"])},
                {"purpose", printable(grant.text_or("purpose", ""), 400)},
                {"lanes", names_of(grant["lanes"]) + ": " + names_of(grant["output_kinds"])},
                {"programs", grant["programs"].is_array()
                                 ? printable(grant["programs"].canonical(), 400)
                                 : "any"},
                {"automatic", "up to " + counted(number(grant, "auto_bits"), "bit") + " a run, " +
                                  counted(number(grant, "auto_total"), "bit") + " in all (" +
                                  render_count(number(grant, "auto_spent")) + " used)"},
                {"approval", needed == 0
                                 ? "nobody: nothing above automatic"
                                 : std::to_string(needed) + " of " + names_of(grant["approvers"])},
                {"until", grant.text_or("until", "")}}) +
           "\n" + budget_table(grant);
  });
  return kExitDone;
}

struct RevokeOptions {
  std::string id;
  std::string keeper;
};

// The envelope may go to the keeper's own socket, past a front that does not answer: then the id
// must be a whole digest, since nobody can be asked what a prefix stands for.
Result<int> revoke_grant(Session& session, const RevokeOptions& options,
                         const RevokeAtKeeper& at_keeper) {
  COFFER_TRY(const KeyPair* keys, session.keys());
  Digest digest;
  std::string id = options.id;
  if (const auto whole = Digest::parse(options.id)) {
    digest = *whole;
    id = grant::grant_id(digest);
  } else {
    COFFER_TRY(id, session.resolve(kGrantNoun, options.id));
    COFFER_TRY(Server * server, session.server());
    COFFER_TRY(const Json document, server->get(target({"v1", "grants", id})));
    COFFER_TRY(digest, Digest::parse(document.text_or("digest", "")));
    if (grant::grant_id(digest) != id) return refused("corrupt", "the server's digest of " + id);
  }
  const grant::Revocation statement{digest, "revoked by its owner", session.now()};
  const grant::Envelope envelope = grant::sign(statement, keys->sign);
  Json document = Json::object({{"id", id}, {"digest", digest.text()}, {"state", "revoked"}});
  if (options.keeper.empty()) {
    COFFER_TRY(Server * server, session.server());
    COFFER_TRY(document, server->post(target({"v1", "grants", id, "revocation"}),
                                      Json::object({{"envelope", envelope_json(envelope)}})));
  } else {
    COFFER_CHECK(at_keeper(options.keeper, grant::render(envelope)));
  }
  session.print(document, [&] {
    return id + " is revoked: queued runs are cancelled, started ones end at their next slot, " +
           "what is held is withheld\n";
  });
  return kExitDone;
}

void add_giving(const Menu& menu, CLI::App* group) {
  auto options = std::make_shared<GrantGiveOptions>();
  auto* command =
      add(group, "give", "Signs a grant, after one sentence that says what it allows",
          "coffer grant give clinic/tumours@v1 --request @last --lane bounded --bits 64k --runs 20 "
          "--until 2027-01-31 --auto-bits 256 --approvers rex");
  command->add_option("NAME", options->dataset, "ORG/NAME, or ORG/NAME@vN for one version")
      ->required();
  command->add_option("--request", options->request, "What was asked for: its id");
  command->add_option("--to", options->to, "Users, joined by commas");
  command->add_option("--purpose", options->purpose, "What for");
  command->add_option("--lane", options->lanes, "bounded");
  command->add_option("--bits", options->bits, "At most so many bits, ever");
  command->add_option("--runs", options->runs, "At most so many runs");
  command->add_option("--until", options->until, "A DATE; it ends at 24:00Z");
  command->add_option("--program", options->program, "any, or the digest of the request");
  command->add_option("--outputs", options->outputs, "metrics,tensors,table");
  command->add_option("--auto-bits", options->auto_bits, "Released without approval, a run");
  command->add_option("--auto-total", options->auto_total, "… and in all; else runs x auto-bits");
  command->add_option("--approvers", options->approvers, "Users, joined by commas");
  command->add_option("--need", options->need, "How many of them must approve; else all");
  command->add_option("--epsilon", options->epsilon, "For the proved lane");
  command->add_option("--cpu-hours", options->cpu_hours, "Processor time in all");
  command->add_flag("--exclusive", options->exclusive, "Nothing else runs meanwhile");
  command->add_flag("--yes", options->yes, "Sign without asking");
  command->add_flag("--dry-run", options->dry_run, "Say the sentence, sign nothing");
  on(menu, command, [options](Session& session) { return grant_give(session, *options); });
}

void add_asking(const Menu& menu, CLI::App* group) {
  auto options = std::make_shared<GrantAskOptions>();
  auto* command = add(group, "ask", "Asks the owner for a grant, from a quote",
                      "coffer grant ask clinic/tumours --purpose \"stage prediction\" "
                      "--program examples/logistic --runs 20");
  command->add_option("NAME", options->dataset, "ORG/NAME[@vN]")->required();
  command->add_option("--purpose", options->purpose, "What for")->required();
  command->add_option("--program", options->program, "A program directory")->required();
  command->add_option("--bits", options->bits, "In all; else runs times the quote");
  command->add_option("--runs", options->runs, "How many runs; else 20");
  command->add_option("--cpu-hours", options->cpu_hours, "Processor time in all");
  on(menu, command, [options](Session& session) { return grant_ask(session, *options); });
}

}  // namespace

void add_grant_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "grant", "Grants: ask, give, show, revoke");
  add_asking(menu, group);
  add_giving(menu, group);
  on(menu, add(group, "ls", "Grants that name you", "coffer grant ls"),
     [](Session& session) { return list_grants(session); });
  auto options = std::make_shared<RevokeOptions>();
  auto* command = add(group, "show", "One grant: terms, budget, spent", "coffer grant show @last");
  command->add_option("ID", options->id, "The grant")->required();
  on(menu, command, [options](Session& session) { return show_grant(session, options->id); });
  command = add(group, "revoke", "Ends a grant for good (signed)", "coffer grant revoke grant_abc");
  command->add_option("ID", options->id, "The grant, or its sha256: digest")->required();
  if (menu.revoke_at_keeper) {
    command->add_option("--keeper", options->keeper, "Hand it to the keeper's socket instead");
  }
  on(menu, command, [options, at_keeper = menu.revoke_at_keeper](Session& session) {
    return revoke_grant(session, *options, at_keeper);
  });
}

}  // namespace coffer::cli
