#include "cli/trial.h"

#include "base/wire.h"
#include "cli/files.h"
#include "cli/local.h"
#include "cli/problem.h"
#include "judging/judging.h"
#include "os/files.h"
#include "twin/twin.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kCellSlot = 4000;  // beyond those of a server on the same machine
constexpr std::size_t kSaidMax = 1 << 20;

// Everything that the supervisor of the cell needs, decided before it forks.
struct Setup {
  const Program& program;
  const program::Manifest& manifest;
  LocalEnvironment environment;
  fs::path program_copy, inputs, left, canonical;
  std::vector<cell::ProgramCell::Input> cell_inputs;
  std::vector<gate::ProtectedInput> protected_inputs;
  cell::Ids ids;
};

Result<> copy_program(const Program& program, const fs::path& into) {
  COFFER_TRY(
      const program::Tree tree,
      program::read_tree(program.directory, [&](const program::TreeFile& file, ByteView content) {
        const fs::path path = into / file.path;
        auto made = make_directories(path.parent_path(), 0755);
        if (!made) return made;
        return write_file(path, content, file.executable ? 0755 : 0644);
      }));
  if (tree.digest == program.tree.digest) return {};
  return refused("program_tree", program.directory.string() + " changed while it was read");
}

Result<> make_inputs(Session& session, Setup& setup, Trial& trial) {
  for (const auto& input : setup.manifest.inputs) {
    COFFER_TRY(const Version version, local_version(session, input.dataset));
    if (version.manifest.is_public) {
      COFFER_TRY(fs::path files, local_public(session, version));
      setup.cell_inputs.push_back({input.alias, std::move(files), cell::BindOrigin::Shared});
      continue;
    }
    if (!version.card) {
      return refused("not_graded", version.name.text() + " has no card to make a twin from",
                     "ask its owner: coffer data grade " + version.name.plain());
    }
    const fs::path directory = setup.inputs / input.alias;
    COFFER_CHECK(make_directories(directory, 0755));
    COFFER_TRY(const UniqueFd fd, open_directory(directory));
    COFFER_TRY(const twin::Made made, twin::make(version.card_payload, {}, fd.get()));
    for (const auto& note : made.notes) trial.notes.push_back(input.alias + ": " + note);
    setup.cell_inputs.push_back({input.alias, directory, cell::BindOrigin::Shared});
    setup.protected_inputs.push_back({input.alias, version.card_payload});
  }
  return {};
}

cell::ProgramCell program_cell(const Setup& setup) {
  const auto seed = random_bytes(4);
  std::uint32_t number = 0;
  for (const auto byte : seed) number = number << 8 | static_cast<std::uint32_t>(byte);
  const auto& resources = setup.manifest.resources;
  return {.environment = setup.environment.root,
          .environment_variables = setup.environment.frame.variables,
          .program = setup.program_copy,
          .inputs = setup.cell_inputs,
          .entry = setup.manifest.entry,
          .params_json = program::params_file(setup.manifest.params),
          .seed = number,
          .cpus = resources.cpus,
          .memory_bytes = resources.memory_bytes,
          .output_bytes = resources.output_bytes,
          .time = std::chrono::seconds{resources.time_s},
          .output = cell::Output::Keep,
          .ids = setup.ids};
}

// The regular files of /out come out for `check`; the names of everything else too.
Result<> collect(const cell::Ended& ended, const Setup& setup, WireWriter& out) {
  COFFER_TRY(const auto entries, walk(ended.out.get()));
  out.u32(static_cast<std::uint32_t>(entries.size()));
  for (const auto& entry : entries) {
    const bool regular = entry.kind == FileKind::Regular && entry.links == 1;
    out.text(entry.path + (regular ? "" : entry.kind == FileKind::Directory ? "/" : " (no file)"));
    if (!regular || entry.path.find('/') != std::string::npos) continue;
    COFFER_TRY(const UniqueFd from, open_regular_beneath(ended.out.get(), entry.path));
    COFFER_TRY(const ByteVector bytes, coffer::read_all(from.get(), entry.size_bytes));
    COFFER_CHECK(write_file(setup.left / entry.path, bytes, 0600));
  }
  return {};
}

Result<> write_judged(const cell::Launcher& launcher, cell::Stage& stage, const Setup& setup,
                      const fs::path& out_path, WireWriter& out) {
  const auto& outputs = setup.manifest.outputs;
  const judging::Cells cells{launcher, stage, setup.ids};
  COFFER_TRY(const auto judged,
             judging::judge(cells, out_path, outputs, setup.manifest.resources.output_bytes));
  for (const auto& one : judged) {
    out.u8(one.refusal ? static_cast<std::uint8_t>(*one.refusal) : 0xFF);
    out.u64(one.canonical ? one.canonical->bits() : 0);
  }
  COFFER_CHECK(judging::write_canonical(setup.canonical, judged));
  COFFER_TRY(const auto evidence,
             judging::examine(cells, {.inputs = setup.inputs,
                                      .canonical = setup.canonical,
                                      .origin = cell::BindOrigin::Shared,
                                      .outputs = outputs,
                                      .protected_inputs = setup.protected_inputs}));
  for (const auto& one : evidence) out.raw(gate::evidence_bytes(one));
  return {};
}

std::string cause_of(const cell::Ended& ended) {
  switch (ended.ending) {
    case cell::Ending::Time:
      return "time";
    case cell::Ending::Memory:
      return "memory";
    case cell::Ending::Killed:
      return "lost";
    case cell::Ending::Finished:
      break;
  }
  if (ended.exit_code == 0) return "";
  return ended.out_full ? "output_size" : "exit";
}

// In the supervisor: cell, judge, evidence; the answer is one record.
Result<ByteVector> supervise(const cell::Launcher& launcher, cell::Stage& stage,
                             const Setup& setup) {
  cell::Spec spec = cell::program_spec(program_cell(setup));
  spec.output_max = kSaidMax;
  COFFER_TRY(const cell::Ended ended, launcher.run(stage, spec));
  const std::string cause = cause_of(ended);
  WireWriter out;
  out.text(cause).u32(static_cast<std::uint32_t>(ended.exit_code));
  out.boolean(ended.failure.has_value());
  const cell::Failure failure = ended.failure.value_or(cell::Failure{});
  out.text(failure.class_name).text(failure.file).u32(failure.line);
  out.text(ended.standard_output).text(ended.standard_error);
  out.i64(ended.wall.count()).raw(ended.proof.digest.bytes);
  COFFER_CHECK(collect(ended, setup, out));
  if (cause.empty()) COFFER_CHECK(write_judged(launcher, stage, setup, ended.out_path, out));
  return std::move(out).take();
}

Result<> read_outputs(WireReader& in, const Setup& setup, Trial& trial) {
  for (const auto& output : setup.manifest.outputs) {
    TrialOutput one{.declared = output, .refusal = {}, .bits = 0, .evidence = {}};
    const std::uint8_t refusal = in.u8();
    one.bits = in.u64();
    if (refusal <= static_cast<std::uint8_t>(program::Refusal::OverBudget)) {
      one.refusal = static_cast<program::Refusal>(refusal);
    }
    trial.outputs.push_back(std::move(one));
  }
  for (auto& one : trial.outputs) {
    const ByteView bytes = in.raw(gate::kEvidenceBytes);
    if (in.failed()) break;
    COFFER_TRY(one.evidence, gate::parse_evidence(bytes));
    if (!one.refusal && one.evidence.private_copy()) one.refusal = program::Refusal::PrivateCopy;
  }
  return {};
}

Result<> read_answer(const ByteVector& answer, const Setup& setup, Trial& trial) {
  WireReader in{answer};
  trial.cause = in.text();
  trial.exit_code = static_cast<int>(in.u32());
  const bool failed = in.boolean();
  cell::Failure failure;
  failure.class_name = in.text();
  failure.file = in.text();
  failure.line = in.u32();
  if (failed) trial.failure = failure;
  trial.said = in.text();
  trial.complained = in.text();
  trial.wall = Duration{in.i64()};
  COFFER_TRY(trial.proof, Digest::from_bytes(in.raw(32)));
  const auto entries = in.count(1'000'000);
  for (std::uint32_t i = 0; i < entries && !in.failed(); ++i) trial.entries.push_back(in.text());
  if (trial.cause.empty()) COFFER_CHECK(read_outputs(in, setup, trial));
  return in.finish();
}

}  // namespace

Result<Trial> run_trial(Session& session, const Program& program,
                        const program::Manifest& manifest) {
  COFFER_TRY(LocalEnvironment environment, local_environment(session, manifest.environment));
  COFFER_TRY(TemporaryDirectory work, TemporaryDirectory::make());
  const fs::path root = work.path();
  Setup setup{.program = program,
              .manifest = manifest,
              .environment = std::move(environment),
              .program_copy = root / "program",
              .inputs = root / "inputs",
              .left = root / "left",
              .canonical = root / "canonical",
              .cell_inputs = {},
              .protected_inputs = {},
              .ids = cell::cell_ids(kCellSlot)};
  Trial trial{.work = std::move(work),
              .left = setup.left,
              .canonical = setup.canonical,
              .cause = {},
              .exit_code = 0,
              .failure = {},
              .said = {},
              .complained = {},
              .wall = {},
              .proof = {},
              .entries = {},
              .outputs = {},
              .notes = {}};
  for (const auto& path : {setup.program_copy, setup.inputs, setup.canonical, root / "stage"}) {
    COFFER_CHECK(make_directories(path, 0755));
  }
  COFFER_CHECK(make_directories(setup.left, 0700));
  COFFER_CHECK(copy_program(program, setup.program_copy));
  COFFER_CHECK(make_inputs(session, setup, trial));
  COFFER_TRY(const cell::Launcher launcher, cell::Launcher::create(Cgroups::detect()));
  ProgressLine progress{session.terminal(), session.clock(), "running " + manifest.name};
  const cell::SuperviseOptions options{
      .mount_point = root / "stage",
      .timeout = std::chrono::seconds{manifest.resources.time_s} + std::chrono::hours{2}};
  COFFER_TRY(const ByteVector answer, cell::supervised(options, [&](cell::Stage& stage) {
               return supervise(launcher, stage, setup);
             }));
  COFFER_CHECK(read_answer(answer, setup, trial));
  return trial;
}

}  // namespace coffer::cli
