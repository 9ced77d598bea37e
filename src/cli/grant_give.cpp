// coffer grant give: terms from options and request, one sentence, a signature.
#include <algorithm>

#include "cli/command.h"
#include "cli/data.h"
#include "cli/grant.h"
#include "cli/problem.h"
#include "cli/runobject.h"
#include "cli/version.h"
#include "program/decimal.h"

namespace coffer::cli {
namespace {

constexpr std::uint64_t kCpuMsDefault = 3'600'000;
constexpr std::uint64_t kDeltaExp = 6;

Result<std::uint64_t> count_option(std::string_view flag, const std::string& text,
                                   std::uint64_t otherwise) {
  if (text.empty()) return otherwise;
  auto count = parse_count(text);
  if (!count) return usage_error(std::string(flag) + ": " + count.error().message);
  return count;
}

Result<std::uint64_t> budget_option(std::string_view flag, const std::string& text,
                                    std::uint64_t asked) {
  COFFER_TRY(const auto count, count_option(flag, text, asked));
  if (count == 0) return usage_error(std::string(flag) + ": must be at least 1");
  return count;
}

std::vector<std::string> texts_of(const Json& array) {
  std::vector<std::string> texts;
  if (const auto* items = array.as_array()) {
    for (const auto& item : *items) {
      if (const auto* text = item.as_string()) texts.push_back(*text);
    }
  }
  return texts;
}

std::string purpose_of(const GrantGiveOptions& options, const Json& request) {
  return options.purpose.empty() ? request.text_or("purpose", "") : options.purpose;
}

std::vector<std::string> lane_texts(const GrantGiveOptions& options, const Json& request) {
  auto texts = split_list(options.lanes);
  return texts.empty() ? texts_of(request["lanes"]) : texts;
}

// Names all that neither the options nor the request say.
Result<> check_complete(const GrantGiveOptions& options, const Json& request) {
  std::vector<std::string> missing;
  const auto need = [&](std::string_view flag, bool is_said) {
    if (!is_said) missing.emplace_back(flag);
  };
  need("--to USER", request.is_object() || !split_list(options.to).empty());
  need("--purpose TEXT", !purpose_of(options, request).empty());
  need("--lane bounded", !lane_texts(options, request).empty());
  need("--bits N", !options.bits.empty() || request["bits"].as_uint());
  need("--runs N", !options.runs.empty() || request["runs"].as_uint());
  need("--until DATE", !options.until.empty());
  if (missing.empty()) return {};
  return usage_error("a grant needs " + listed(missing),
                     "coffer grant give " + options.dataset + " … " + join(missing, " "));
}

Result<std::vector<program::Lane>> lanes_of(const GrantGiveOptions& options, const Json& request) {
  std::vector<program::Lane> lanes;
  for (const auto& text : lane_texts(options, request)) {
    const auto lane = program::lane_of(text);
    if (!lane)
      return usage_error("--lane: '" + printable(text, 40) + "' is no lane: write bounded");
    lanes.push_back(*lane);
  }
  return lanes;
}

Result<std::vector<program::Kind>> kinds_of(const GrantGiveOptions& options) {
  std::vector<program::Kind> kinds;
  for (const auto& text : split_list(options.outputs)) {
    const auto kind = program::kind_of(text);
    if (!kind) {
      return usage_error("--outputs: '" + printable(text, 40) +
                         "' is no kind: write metrics, tensors or table");
    }
    kinds.push_back(*kind);
  }
  if (kinds.empty()) kinds = {program::Kind::Metrics, program::Kind::Tensors, program::Kind::Table};
  return kinds;
}

// A program by digest is the one of the request, which also names environment and parameters.
Result<std::optional<std::vector<grant::PermittedProgram>>> programs_of(
    const GrantGiveOptions& options, const Json& request) {
  if (options.program.empty() || options.program == "any") {
    return std::optional<std::vector<grant::PermittedProgram>>{};
  }
  const auto digest = Digest::parse(options.program);
  if (!digest) return usage_error("--program is `any` or a digest (coffer quote prints it)");
  if (request.text_or("program", "") != digest->text()) {
    return usage_error(
        "--program: a digest also pins environment and parameters, which the "
        "request names: give its id with --request");
  }
  grant::PermittedProgram permitted{.program = *digest, .environment = {}, .parameters = {}};
  COFFER_TRY(permitted.environment, Digest::parse(request.text_or("environment", "")));
  if (const auto* members = request["parameters"].as_object()) {
    for (const auto& [name, value] : *members) permitted.parameters[name] = {value};
  }
  return std::optional{std::vector{std::move(permitted)}};
}

Result<> add_budgets(grant::Grant& grant, const GrantGiveOptions& options, const Json& request) {
  const auto asked = [&](std::string_view key) { return request[key].as_uint().value_or(0); };
  COFFER_TRY(grant.budgets.bits, budget_option("--bits", options.bits, asked("bits")));
  COFFER_TRY(grant.budgets.runs, budget_option("--runs", options.runs, asked("runs")));
  COFFER_TRY(grant.budgets.epsilon_milli, parse_epsilon(options.epsilon));
  grant.budgets.delta_exp = kDeltaExp;
  grant.budgets.cpu_ms = std::max(asked("cpu_ms"), kCpuMsDefault);
  if (!options.cpu_hours.empty()) {
    COFFER_TRY(grant.budgets.cpu_ms, parse_cpu_hours(options.cpu_hours));
  }
  COFFER_TRY(grant.auto_bits, count_option("--auto-bits", options.auto_bits, 0));
  const std::uint64_t all = grant.auto_bits == 0 ? 0
                            : grant.budgets.runs > grant::kIntegerMax / grant.auto_bits
                                ? grant::kIntegerMax
                                : grant.budgets.runs * grant.auto_bits;
  COFFER_TRY(grant.auto_total, count_option("--auto-total", options.auto_total, all));
  return {};
}

struct Parties {
  GrantNames names;
  std::vector<SignPublic> grantees;
  std::vector<SignPublic> approvers;
};

Result<Parties> parties_of(Session& session, const GrantGiveOptions& options, const Json& request) {
  Parties parties;
  parties.names.grantees = split_list(options.to);
  if (request.is_object()) parties.names.grantees = {request.text_or("user", "")};
  parties.names.approvers = split_list(options.approvers);
  for (const auto& user : parties.names.grantees) {
    COFFER_TRY(const grant::UserKey key, session.user_key(user));
    parties.grantees.push_back(key.sign_key);
  }
  for (const auto& user : parties.names.approvers) {
    COFFER_TRY(const grant::UserKey key, session.user_key(user));
    if (std::find(parties.grantees.begin(), parties.grantees.end(), key.sign_key) !=
        parties.grantees.end()) {
      return refused("approver_is_grantee", user + " cannot approve what goes to " + user);
    }
    parties.approvers.push_back(key.sign_key);
  }
  return parties;
}

Result<Json> request_of(Session& session, const GrantGiveOptions& options) {
  if (options.request.empty()) return Json{};
  if (!options.to.empty()) return usage_error("--request names who asked: leave out --to");
  COFFER_TRY(const std::string id, session.resolve(kRequestNoun, options.request));
  COFFER_TRY(Server * server, session.server());
  return server->get(target({"v1", "requests", id}));
}

struct Draft {
  grant::Grant grant;
  GrantNames names;
  Json card;
  Json request;
};

Result<Draft> draft_of(Session& session, const GrantGiveOptions& options) {
  COFFER_TRY(const auto name, dataset_argument(options.dataset));
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(Json request, request_of(session, options));
  COFFER_TRY(grant::Grant grant, grant_terms(options, request, session.now()));
  COFFER_TRY(const Version version, fetch_version(session, name));
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(Parties parties, parties_of(session, options, request));
  grant.ledger_vkey = profile->keeper.ledger_vkey;
  grant.dataset_id = version.manifest.dataset_id;
  if (name.version) grant.manifest = version.digest;
  grant.owner_key = keys->sign.public_key();
  grant.grantee_keys = std::move(parties.grantees);
  grant.approver_keys = std::move(parties.approvers);
  grant.approvals_needed = options.need > 0 ? options.need : grant.approver_keys.size();
  if (grant.approvals_needed > grant.approver_keys.size()) {
    return usage_error("--need " + std::to_string(options.need) + " of " +
                       counted(grant.approver_keys.size(), "approver") + " cannot be");
  }
  grant.nonce = fresh_nonce();
  parties.names.dataset = name.version ? version.name.text() : name.plain();
  return Draft{std::move(grant), std::move(parties.names), version.card_payload,
               std::move(request)};
}

}  // namespace

Result<std::uint64_t> parse_cpu_hours(std::string_view text) {
  const auto hours = program::Decimal::parse(text);
  const auto scaled = hours ? hours->scaled(3) : std::nullopt;
  if (!scaled || *scaled <= 0 || *scaled > 1'000'000'000) {
    return usage_error("--cpu-hours: '" + printable(text, 40) + "' is no number of hours");
  }
  return static_cast<std::uint64_t>(*scaled) * 3600;
}

Result<grant::Grant> grant_terms(const GrantGiveOptions& options, const Json& request,
                                 UnixTime now) {
  COFFER_CHECK(check_complete(options, request));
  grant::Grant grant;
  grant.purpose = purpose_of(options, request);
  COFFER_TRY(grant.lanes, lanes_of(options, request));
  COFFER_TRY(grant.output_kinds, kinds_of(options));
  COFFER_TRY(grant.programs, programs_of(options, request));
  COFFER_CHECK(add_budgets(grant, options, request));
  const auto until = parse_date_end(options.until);
  if (!until) return usage_error("--until: " + until.error().message);
  if (*until <= now) return usage_error("--until: " + options.until + " is over");
  grant.until = *until;
  grant.not_before = now;
  grant.issued = now;
  grant.exclusive = options.exclusive;
  return grant;
}

Result<int> grant_give(Session& session, const GrantGiveOptions& options) {
  COFFER_TRY(const Draft draft, draft_of(session, options));
  const std::string sentence = grant_sentence(draft.grant, draft.names, draft.card);
  if (options.dry_run) {
    const Json document =
        Json::object({{"sentence", sentence}, {"grant", grant::to_json(draft.grant)}});
    session.print(document, [&] { return sentence + "\n"; });
    return kExitDone;
  }
  if (options.yes) {
    if (!session.options().json) session.terminal().say(sentence + "\n");
  } else {
    COFFER_TRY(const bool yes, session.terminal().ask(sentence + " Sign?", "--yes"));
    if (!yes) return refused("declined", "nothing was signed");
  }
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(Server * server, session.server());
  const Json request = draft.request.is_object() ? draft.request["id"] : Json{};
  COFFER_TRY(
      const Json answer,
      server->post("/v1/grants",
                   Json::object({{"envelope", envelope_json(grant::sign(draft.grant, keys->sign))},
                                 {"request", request}})));
  session.remember("grant", answer.text_or("id", ""));
  session.print(answer, [&] {
    return "signed " + answer.text_or("id", "") + " for " + listed(draft.names.grantees) + "\n";
  });
  return kExitDone;
}

}  // namespace coffer::cli
