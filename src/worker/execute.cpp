#include "worker/execute.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <thread>

#include "base/log.h"
#include "grant/permit.h"
#include "os/files.h"
#include "program/manifest.h"
#include "program/report.h"
#include "program/tree.h"
#include "vault/reader.h"
#include "vault/store.h"
#include "worker/judge.h"
#include "worker/program_terms.h"
#include "worker/room.h"

namespace coffer::worker {
namespace {

namespace fs = std::filesystem;

// Memory for staged inputs beside what the run itself may take.
constexpr std::uint64_t kStageSlack = 256ULL << 20;

struct Start {
  // Just before the keeper noted it, so that what is measured is never too short.
  std::optional<Instant> at{};
  Digest cell_proof{};
};

// Everything about one attempt that is known before the cell exists.
struct Attempt {
  const Workplace& place;
  const Execute& order;
  KeeperPort& keeper;
  const TellFront& tell;
  grant::Run run;
  Digest digest;
  grant::Permit permit;
  std::vector<program::Output> outputs;
  Room room;  // until it seals
  Start start{};
};

Result<> stage_input(const Attempt& attempt, const grant::PermitInput& input,
                     const fs::path& target) {
  const std::string vault = attempt.place.data / "vault";
  COFFER_TRY(auto store, vault::Store::open(vault, input.dataset_id));
  COFFER_TRY(auto reader, vault::Reader::open(attempt.permit, input.alias, store));
  COFFER_CHECK(make_directories(target, 0755));
  COFFER_TRY(const UniqueFd directory, open_directory(target));
  COFFER_CHECK(vault::stage(std::move(reader), directory.get()));
  return {};
}

Result<std::vector<gate::ProtectedInput>> protected_inputs(const Attempt& attempt) {
  std::vector<gate::ProtectedInput> out;
  for (const auto& input : attempt.permit.inputs()) {
    if (!input.version_key) continue;
    gate::ProtectedInput one{.alias = input.alias};
    for (const auto& source : attempt.order.sources) {
      if (source.alias == input.alias && !source.card.empty()) {
        COFFER_TRY(one.card, Json::parse(text_of(source.card)));
      }
    }
    out.push_back(std::move(one));
  }
  return out;
}

Result<cell::ProgramCell> program_cell(const Attempt& attempt, cell::Stage& stage,
                                       const ProgramTerms& terms) {
  const fs::path environment = attempt.place.data / "env" / hex(attempt.run.environment.bytes);
  COFFER_TRY(const std::string described, read_text(environment / "env.json", 1 << 20));
  COFFER_TRY(const Json description, Json::parse(described));
  cell::ProgramCell cell{
      .environment = environment / "root",
      .environment_variables = {},
      .program = attempt.place.data / "programs" / hex(attempt.run.program.bytes),
      .inputs = {},
      .entry = terms.entry,
      .params_json = terms.params_json,
      .seed = seed_of(attempt.run.nonce),
      .cpus = static_cast<std::uint32_t>(attempt.run.resources.cpus),
      .memory_bytes = attempt.run.resources.memory_bytes,
      .output_bytes = attempt.run.resources.output_bytes,
      .time = std::chrono::seconds{attempt.permit.time_left_s()},
      .output = cell::Output::Drop,
      .ids = attempt.place.ids,
      .cancel_fd = -1};
  if (const auto* variables = description["variables"].as_object()) {
    for (const auto& [name, value] : *variables) {
      if (const auto* text = value.as_string()) cell.environment_variables[name] = *text;
    }
  }
  for (const auto& input : attempt.permit.inputs()) {
    cell.inputs.push_back({.alias = input.alias, .directory = stage.inputs() / input.alias});
  }
  return cell;
}

struct Over {
  program::Ending ending;
  std::uint32_t failure{0};
  fs::path out_path;
};

program::Ending ending_of(const cell::Ended& ended) {
  if (ended.out_full) return program::Ending::OutputSize;
  switch (ended.ending) {
    case cell::Ending::Time:
      return program::Ending::Time;
    case cell::Ending::Memory:
      return program::Ending::Memory;
    case cell::Ending::Killed:
      return program::Ending::Lost;
    case cell::Ending::Finished:
      break;
  }
  return ended.exit_code == 0 ? program::Ending::Judged : program::Ending::Exit;
}

std::uint32_t failure_of(const Attempt& attempt, const cell::Ended& ended) {
  program::FailureReport report;
  if (!ended.failure) return report.encode();
  for (std::size_t i = 0; i < program::kExceptionClasses.size(); ++i) {
    if (program::kExceptionClasses[i] == ended.failure->class_name) {
      report.exception = static_cast<std::uint8_t>(i);
    }
  }
  const auto tree =
      program::read_tree(attempt.place.data / "programs" / hex(attempt.run.program.bytes));
  if (tree)
    report.place = program::SourceIndex{*tree}.find(ended.failure->file, ended.failure->line);
  return report.encode();
}

// Starts the program once the cell is proved and the keeper has noted it; returns when the cell's
// process tree is gone.
Result<cell::Ended> run_cell(Attempt& attempt, cell::Stage& stage, const ProgramTerms& terms) {
  COFFER_TRY(const auto description, program_cell(attempt, stage, terms));
  const auto before_start = [&](const cell::Proof& proof) -> Result<> {
    const Instant now = attempt.place.clock.now();
    COFFER_TRY(const auto noted, attempt.keeper.ask_for<keeper::StartedReply>(
                                     keeper::Started{attempt.digest, attempt.order.attempt}));
    attempt.start = {.at = now, .cell_proof = proof.digest};
    attempt.tell(Started{attempt.digest, static_cast<std::int64_t>(noted.started_ms)});
    return {};
  };
  return attempt.place.launcher.run(stage, cell::program_spec(description), before_start);
}

std::uint64_t elapsed_ms(const Attempt& attempt) {
  const Duration passed = attempt.place.clock.now() - *attempt.start.at;
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(passed).count());
}

// The report of a run that has ended; judging is part of it.
keeper::RunReport conclude(Attempt& attempt, cell::Stage& stage, const ProgramTerms& terms,
                           const cell::Ended& ended) {
  keeper::RunReport report;
  report.ending = ending_of(ended);
  report.cell_proof = attempt.start.cell_proof;
  if (report.ending == program::Ending::Exit) report.failure = failure_of(attempt, ended);
  if (report.ending == program::Ending::Judged) {
    auto inputs = protected_inputs(attempt);
    auto judged = inputs ? judge_and_seal({.place = attempt.place,
                                           .stage = stage,
                                           .outputs = attempt.outputs,
                                           .run = attempt.run,
                                           .run_digest = attempt.digest,
                                           .program_name = terms.name,
                                           .sources = attempt.order.sources,
                                           .protected_inputs = *std::move(inputs),
                                           .out_path = ended.out_path,
                                           .room = std::move(attempt.room)})
                         : Result<std::vector<keeper::ReportedOutput>>{std::move(inputs).error()};
    if (judged) {
      report.outputs = *std::move(judged);
    } else {
      log_error("worker", "judging failed", judged.error());
      report.ending = program::Ending::Lost;
    }
  }
  const auto slots =
      program::make_slots(attempt.run.resources.time_s,
                          program::judging_allowance_s(attempt.run.resources.output_bytes));
  const auto seen = program::seen_at(slots, report.ending, elapsed_ms(attempt));
  report.ending = seen.ending;
  report.slot_s = seen.slot_s;
  if (report.ending != program::Ending::Judged) report.outputs.clear();
  if (report.ending != program::Ending::Exit) report.failure = 0;
  return report;
}

// In the supervisor: inputs, cell, judging, report. An error is one before the start.
Result<> attempt_in_stage(Attempt& attempt, cell::Stage& stage, std::uint64_t& visible_ms) {
  COFFER_TRY(const auto terms, check_program(attempt.place, stage, attempt.run, attempt.outputs));
  for (const auto& input : attempt.permit.inputs()) {
    if (auto staged = stage_input(attempt, input, stage.inputs() / input.alias); !staged) {
      return std::move(staged).error().in("input '" + input.alias + "'").as("environment");
    }
  }
  auto ended = run_cell(attempt, stage, terms);
  if (!ended && !attempt.start.at) return std::move(ended).error();
  keeper::RunReport report;
  report.cell_proof = attempt.start.cell_proof;
  if (ended) {
    report = conclude(attempt, stage, terms, *ended);
  } else {
    log_error("worker", "cell lost", ended.error());
    report.slot_s =
        program::make_slots(attempt.run.resources.time_s,
                            program::judging_allowance_s(attempt.run.resources.output_bytes))
            .last();
  }
  COFFER_TRY(const auto noted, attempt.keeper.ask_for<keeper::ReportReply>(
                                   keeper::Report{attempt.digest, attempt.order.attempt, report}));
  visible_ms = noted.visible_at_ms;
  return {};
}

void wait_until(const Clock& clock, std::uint64_t unix_ms) {
  const auto now = static_cast<std::uint64_t>(clock.unix_time().time_since_epoch().count());
  if (unix_ms > now) std::this_thread::sleep_for(std::chrono::milliseconds{unix_ms - now});
}

// The words of an error before the start, as the front knows them.
NotStarted told(const Digest& digest, const Error& error) {
  NotStarted out{.run = digest, .cause = error.rule, .message = error.message};
  if (error.message.starts_with("cell_unproven")) out.cause = "cell_unproven";
  if (error.rule == "suspended" || error.rule == "frozen") {
    out.cause = kAwaitsLimit;
  } else if (out.cause != "cell_unproven" && out.cause != "environment" && out.cause != "revoked") {
    out.cause = error.code == Code::Denied || error.code == Code::BudgetExhausted ? "revoked"
                                                                                  : "environment";
  }
  return out;
}

// Waits while the disk is full, before the keeper is asked for keys.
Result<Room> wait_for_room(const Workplace& place, const grant::Run& run) {
  constexpr Duration kPatience = 1s;
  for (bool said = false;; said = true) {
    auto room = Room::reserve(place.data / "runs", run.outputs);
    if (room || room.error().code != Code::Unavailable) return room;
    if (!said) log_error("worker", "a run waits for disk space", room.error());
    std::this_thread::sleep_for(kPatience);
  }
}

Result<Attempt> open_attempt(const Workplace& place, const Execute& order, KeeperPort& keeper,
                             const TellFront& tell) {
  const Digest digest = sha256(order.run);
  COFFER_TRY(auto run, grant::parse<grant::Run>(text_of(order.run)));
  COFFER_TRY(Room room, wait_for_room(place, run));
  const SealKey key = SealKey::generate();
  COFFER_TRY(const auto answer, keeper.ask_for<keeper::PermitReply>(
                                    keeper::Open{digest, order.attempt, key.public_key()}));
  COFFER_TRY(auto permit, grant::Permit::decode(answer.permit, key));
  auto outputs = run.outputs;
  return Attempt{place,
                 order,
                 keeper,
                 tell,
                 std::move(run),
                 digest,
                 std::move(permit),
                 std::move(outputs),
                 std::move(room)};
}

}  // namespace

void execute(const Workplace& place, const Execute& order, KeeperPort& keeper,
             const TellFront& tell) {
  const Digest digest = sha256(order.run);
  const auto sealed = place.data / "runs" / hex(digest.bytes);
  for (const auto& folder : {sealed, sealed / "evidence"}) {
    (void)remove_leftovers(folder);  // of an attempt that was killed
  }
  auto attempt = open_attempt(place, order, keeper, tell);
  if (!attempt) {
    // A run that started before and is not to be tried again: the keeper ends it as lost, in time.
    const std::string& rule = attempt.error().rule;
    if (rule == "no_retry" || rule == "already_over" || rule == "already_reported") {
      tell(Ended{digest});
    } else {
      tell(told(digest, attempt.error()));
    }
    return;
  }
  std::uint64_t visible_ms = 0;
  auto stage = cell::Stage::enter(place.data / "stage",
                                  attempt->run.resources.memory_bytes + kStageSlack, 1'000'000);
  auto done =
      stage ? attempt_in_stage(*attempt, *stage, visible_ms) : Result<>{std::move(stage).error()};
  if (!done) {
    log_error("worker", "run not executed", done.error());
    if (!attempt->start.at) tell(told(digest, done.error()));
    return;
  }
  wait_until(place.clock, visible_ms);
  tell(Ended{digest});
}

}  // namespace coffer::worker
