// Steps 1 and 2 of a run, and its cancellation.

#include <fmt/format.h>

#include "front/append.h"
#include "front/apply.h"
#include "front/runs.h"
#include "front/schedule.h"
#include "front/users.h"
#include "grant/objects.h"
#include "program/charge.h"
#include "program/manifest.h"

namespace coffer::front {
namespace {

constexpr std::int64_t kQueuedMs = 7LL * 24 * 3600 * 1000;

struct Submission {
  grant::Run object;
  program::Quote quote;
};

Submission read_submission(grant::Run object) {
  auto quote = program::quote_of(object.resources, object.outputs);
  return {std::move(object), std::move(quote)};
}

// What this machine can never give is refused now, not queued for ever.
Result<> check_machine(const Site& site, const program::Resources& wanted) {
  if (wanted.cpus > site.capacity.cpus) {
    return Error{Code::InvalidArgument, fmt::format("the run wants {} cpus, this machine gives {}",
                                                    wanted.cpus, site.capacity.cpus)}
        .as("machine_cpus")
        .at("resources.cpus")
        .above(std::to_string(site.capacity.cpus));
  }
  if (wanted.memory_bytes > site.capacity.memory_bytes) {
    return Error{
        Code::InvalidArgument,
        fmt::format("the run wants {} of memory, this machine gives {}",
                    render_size(wanted.memory_bytes), render_size(site.capacity.memory_bytes))}
        .as("machine_memory")
        .at("resources.memory")
        .above(render_size(site.capacity.memory_bytes));
  }
  if (wanted.gpus > 0) {
    return Error{Code::InvalidArgument,
                 fmt::format("the run wants {} gpus, this machine has none", wanted.gpus)}
        .as("machine_gpus")
        .at("resources.gpus")
        .above("0");
  }
  return {};
}

Result<> check_program_sent(Site& site, const grant::Run& object) {
  COFFER_TRY(const auto program,
             site.db.row("SELECT 1 FROM programs WHERE digest = ?", {object.program.text()}));
  if (program) return {};
  return Error{Code::NotFound, "the program was not uploaded: " + object.program.text()}.as(
      "program_unknown");
}

Result<> check_environment_and_inputs(Site& site, const grant::Run& object) {
  COFFER_TRY(const auto environment,
             site.db.row("SELECT 1 FROM environment_digests WHERE digest = ?",
                         {object.environment.text()}));
  if (!environment) {
    return Error{Code::NotFound, "no environment has the digest " + object.environment.text()}
        .as("environment_unknown")
        .then("coffer env ls");
  }
  for (const auto& input : object.inputs) {
    COFFER_TRY(const auto version, site.db.row("SELECT removed FROM versions WHERE manifest = ?",
                                               {input.manifest.text()}));
    if (!version || !version->is_null(0)) {
      return Error{Code::NotFound, fmt::format("input '{}': no dataset version has the digest {}",
                                               input.alias, input.manifest.text())}
          .as(version ? "version_removed" : "version_unknown")
          .at("inputs." + input.alias);
    }
  }
  return {};
}

Result<> insert_outputs(Site& site, const std::string& digest, const Submission& submission) {
  std::int64_t position = 0;
  for (const auto& output : submission.object.outputs) {
    COFFER_CHECK(site.db.run(
        "INSERT INTO outputs(run, position, name, kind, lane, bits_max) VALUES(?,?,?,?,?,?)",
        {digest, position++, output.name, std::string(program::text_of_kind(output.kind())),
         std::string(program::text_of_lane(output.lane)),
         static_cast<std::int64_t>(program::object_bits_max(output))}));
  }
  return {};
}

}  // namespace

Result<Json> submit_run(Site& site, const Caller& caller, std::string_view envelope_text,
                        std::string_view program_name) {
  COFFER_TRY(const auto envelope, grant::parse_envelope(envelope_text));
  COFFER_TRY(auto object, grant::open<grant::Run>(envelope));
  const std::string digest = envelope.digest().text();
  COFFER_TRY(const auto known, site.db.row("SELECT user FROM runs WHERE digest = ?", {digest}));
  if (known) return show_run(site, caller, digest);
  COFFER_CHECK(require_own_signature(site, caller, envelope));
  COFFER_CHECK(check_program_sent(site, object));
  COFFER_CHECK(check_environment_and_inputs(site, object));
  const Submission submission = read_submission(std::move(object));
  COFFER_CHECK(check_machine(site, submission.object.resources));
  const Json extra = Json::object(
      {{"user", caller.user}, {"name", std::string(program_name)}, {"time", site.now_ms()}});
  COFFER_CHECK(
      append(site, keeper::SubmitRun{keeper::fresh_seed(), std::string(envelope_text)}, extra));
  COFFER_CHECK(schedule(site));
  return run_json(site, digest);
}

Result<> apply(const Applied& context, const keeper::SubmitRun& op) {
  Site& site = context.site;
  COFFER_TRY(const auto envelope, grant::parse_envelope(op.envelope));
  COFFER_TRY(auto object, grant::open<grant::Run>(envelope));
  const Submission submission = read_submission(std::move(object));
  const std::string digest = envelope.digest().text();
  const auto& entry = context.appended.entries.front();
  bool exclusive = false;
  for (const auto& grant : submission.object.grants) {
    COFFER_TRY(const auto row,
               site.db.row("SELECT g.envelope, d.class FROM grants g JOIN datasets d"
                           " ON d.id = g.dataset WHERE g.digest = ?",
                           {grant.text()}));
    if (!row) continue;
    COFFER_TRY(const auto signed_grant, grant::parse_envelope(row->text(0)));
    COFFER_TRY(const auto terms, grant::open<grant::Grant>(signed_grant));
    exclusive = exclusive || terms.exclusive || row->text(1) == "core";
  }
  const std::int64_t submitted = context.extra.int_or("time", site.now_ms());
  const std::string nothing = amounts_json({}).canonical();
  COFFER_CHECK(site.db.run(
      "INSERT INTO runs(digest, id, user, envelope, name, state, submitted, deadline, exclusive, "
      "quote,"
      " charged, ledger_first, ledger_last) VALUES(?,?,?,?,?,'queued',?,?,?,?,?,?,?)",
      {digest, grant::run_id(envelope.digest()), context.extra.text_or("user", ""), op.envelope,
       context.extra.text_or("name", ""), submitted, submitted + kQueuedMs,
       std::int64_t{exclusive ? 1 : 0}, amounts_json(submission.quote.cost).canonical(), nothing,
       static_cast<std::int64_t>(entry.index), static_cast<std::int64_t>(entry.index)}));
  for (const auto& grant : submission.object.grants) {
    COFFER_CHECK(
        site.db.run("INSERT OR IGNORE INTO run_grants(run, grant_digest, submitted) VALUES(?,?,?)",
                    {digest, grant.text(), submitted}));
  }
  COFFER_CHECK(insert_outputs(site, digest, submission));
  return add_event(site, digest, {.kind = "state", .output = "", .text = "queued"});
}

Result<Json> quote_run(Site& site, const Caller& caller, const Json& run) {
  const std::string payload_text = run.canonical();
  COFFER_TRY(auto object, grant::parse<grant::Run>(payload_text));
  const Submission submission = read_submission(std::move(object));
  Json problem;
  const auto note = [&](const Error& error) {
    if (!problem.is_null()) return;
    problem = Json::object({{"code", error.rule},
                            {"detail", error.message},
                            {"field", error.field},
                            {"limit", error.limit},
                            {"next", error.next}});
  };
  if (auto ok = check_machine(site, submission.object.resources); !ok) note(ok.error());
  // The program itself is sent when the run is.
  if (auto ok = check_environment_and_inputs(site, submission.object); !ok) note(ok.error());
  std::vector<program::AutomaticLimits> limits;
  for (const auto& grant : submission.object.grants) {
    COFFER_TRY(const auto row,
               site.db.row("SELECT g.envelope FROM grants g JOIN grant_users u ON u.grant_digest ="
                           " g.digest WHERE g.digest = ? AND u.user = ?",
                           {grant.text(), caller.user}));
    if (!row) {
      note(not_found("grant", grant::grant_id(grant)));
      continue;
    }
    COFFER_TRY(const auto envelope, grant::parse_envelope(row->text(0)));
    COFFER_TRY(const auto terms, grant::open<grant::Grant>(envelope));
    COFFER_TRY(const auto budget,
               site.links.ask_keeper_for<keeper::BudgetReply>(keeper::GrantBudget{grant}));
    limits.push_back({.auto_bits = terms.auto_bits,
                      .auto_total = terms.auto_total,
                      .runs = terms.budgets.runs,
                      .approvals_needed = terms.approvals_needed,
                      .spent_before = budget.auto_spent});
  }
  COFFER_TRY(const auto key, sign_key_of(site, caller));
  const ByteView payload = bytes_of(payload_text);
  const auto would = site.links.ask_keeper_for<keeper::Done>(
      keeper::WouldAccept{ByteVector(payload.begin(), payload.end()), key});
  if (!would) note(would.error());
  std::vector<program::JudgedOutput> largest;
  for (const auto& output : submission.quote.outputs)
    largest.push_back({{}, output.object_bits_max});
  const auto decided = program::decide(limits, submission.quote.header_bits, largest);
  Json outputs = Json::array();
  for (std::size_t i = 0; i < submission.object.outputs.size(); ++i) {
    const auto verdict = decided.verdicts[i];
    outputs.push(Json::object({{"name", submission.object.outputs[i].name},
                               {"kind", program::text_of_kind(submission.object.outputs[i].kind())},
                               {"lane", program::text_of_lane(submission.object.outputs[i].lane)},
                               {"verdict_bits", program::kVerdictBits},
                               {"max_object_bits", largest[i].object_bits},
                               {"decision", verdict == program::Verdict::Released ? "automatic"
                                            : verdict == program::Verdict::Held   ? "held"
                                                                                  : "withheld"}}));
  }
  return Json::object({{"quote", amounts_json(submission.quote.cost)},
                       {"slots", std::uint64_t{submission.quote.slot_count}},
                       {"header_bits", submission.quote.header_bits},
                       {"report_bits", program::kReportBits},
                       {"judging_allowance_s", submission.quote.allowance_s},
                       {"outputs", std::move(outputs)},
                       {"accepted", problem.is_null()},
                       {"problem", std::move(problem)}});
}

Result<Json> cancel_run(Site& site, const Caller& caller, std::string_view id) {
  COFFER_TRY(const auto digest, find_run(site, caller, id));
  COFFER_TRY(const auto row, site.db.row("SELECT state FROM runs WHERE digest = ?", {digest}));
  const std::string state = row ? row->text(0) : "";
  if (state != "queued" && state != "running") {
    return Error{Code::FailedPrecondition, "the run is over: it is " + state}.as("run_over");
  }
  // What became of a run that has started, its machine says first: was it lost, that counts.
  if (state == "running" && site.links.worker() == nullptr) {
    return Error{Code::Unavailable, "the worker is not connected: try again in a moment"};
  }
  COFFER_CHECK(end_run(site, digest, keeper::CancelCause::Cancelled));
  return run_json(site, digest);
}

}  // namespace coffer::front
