// coffer try and check: a trial, and what it says about the declaration.
#include <algorithm>

#include "cli/files.h"
#include "cli/infer.h"
#include "cli/problem.h"
#include "cli/program.h"
#include "gate/evidence.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kContentShown = 16 << 10;

std::string lines_of(std::string_view text) {
  std::string out;
  for (const auto& line : split(text, '\n')) {
    if (!line.empty()) out += "  " + printable(line, 4096) + "\n";
  }
  return out;
}

std::string ending_text(const Trial& trial) {
  if (trial.cause.empty()) return "exit 0";
  if (trial.cause != "exit") return "failed: " + trial.cause;
  std::string text = "failed: exit " + std::to_string(trial.exit_code);
  if (trial.failure) {
    text += ", " + printable(trial.failure->class_name, 80);
    if (!trial.failure->file.empty()) {
      text +=
          " at " + printable(trial.failure->file, 200) + ":" + std::to_string(trial.failure->line);
    }
  }
  return text;
}

std::string seconds_text(Duration wall) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(wall).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

std::string content_of(const Trial& trial, const TrialOutput& output) {
  if (output.declared.kind() == program::Kind::Tensors) return "";
  const auto text = read_whole(trial.canonical / output.declared.file());
  if (!text || text->size() > kContentShown) return "";
  return output.declared.file() + "\n" + lines_of(*text);
}

// What is declared of the entry's file, if anything.
const program::Output* declared_as(const std::vector<program::Output>& outputs,
                                   const std::string& entry) {
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const auto& output) { return output.file() == entry; });
  return found == outputs.end() ? nullptr : &*found;
}

struct Advice {
  std::vector<std::string> lines;        // what is wrong, in words
  std::vector<program::Output> outputs;  // a declaration that would pass
  bool changed{false};
};

// The least change: what fits stays as it is declared.
Advice advise(const Trial& trial, const std::vector<program::Output>& declared) {
  Advice advice;
  for (const auto& output : declared) {
    const bool there =
        std::find(trial.entries.begin(), trial.entries.end(), output.file()) != trial.entries.end();
    if (!there) {
      advice.lines.push_back("/out/" + output.file() +
                             " is declared and was not written as a file");
      continue;
    }
    const auto facts = read_facts(trial.left / output.file());
    if (!facts) {
      advice.lines.push_back(facts.error().message);
      advice.outputs.push_back(output);
      continue;
    }
    auto wide = widen(output, *facts);
    if (!wide) advice.lines.push_back(output.name + ": " + wide.error().message);
    advice.changed = advice.changed || (wide && !(*wide == output));
    advice.outputs.push_back(wide ? *std::move(wide) : output);
  }
  for (const auto& entry : trial.entries) {
    if (declared_as(declared, entry) != nullptr) continue;
    const auto facts = read_facts(trial.left / entry);
    auto fresh = facts ? infer(*facts) : Result<program::Output>{facts.error()};
    if (!fresh) {
      advice.lines.push_back("/out/" + printable(entry, 200) +
                             " can not be declared, write it to /tmp: " + fresh.error().message);
      continue;
    }
    advice.lines.push_back("/out/" + printable(entry, 200) + " is not declared");
    advice.outputs.push_back(*std::move(fresh));
    advice.changed = true;
  }
  return advice;
}

Result<> save_canonical(const Trial& trial, const std::string& directory) {
  for (const auto& output : trial.outputs) {
    if (output.refusal) continue;
    COFFER_TRY(const std::string text,
               read_whole(trial.canonical / output.declared.file(), 1ULL << 40));
    COFFER_CHECK(
        replace_file(fs::path(directory) / output.declared.file(), text, Access::Ordinary));
  }
  return {};
}

Result<std::string> changed_manifest(const Program& program,
                                     const std::vector<program::Output>& outputs) {
  COFFER_TRY(const std::string before, read_whole(program.directory / "coffer.toml"));
  return program::replace_outputs(before, outputs);
}

std::string render_advice(const Advice& advice, const CheckOptions& options) {
  std::string text;
  for (const auto& line : advice.lines) text += line + "\n";
  if (!advice.changed) return text;
  return text + "this would pass:\n\n" + program::outputs_toml(advice.outputs) + "\n" +
         (options.write ? "written to " + options.directory + "/coffer.toml\n"
                        : "to write it: coffer check " + options.directory + " --write\n");
}

}  // namespace

bool trial_passes(const Trial& trial) {
  return trial.cause.empty() &&
         std::none_of(trial.outputs.begin(), trial.outputs.end(),
                      [](const TrialOutput& output) { return output.refusal.has_value(); });
}

std::string render_trial(const Terminal& terminal, const Trial& trial) {
  std::string text;
  for (const auto& note : trial.notes) text += "note: " + printable(note) + "\n";
  if (!trial.said.empty()) text += "stdout\n" + lines_of(trial.said);
  if (!trial.complained.empty()) text += "stderr\n" + lines_of(trial.complained);
  text += "on twins: " + ending_text(trial) + " after " + seconds_text(trial.wall) +
          ", cell proved " + trial.proof.text().substr(0, 19) + "\n";
  if (!trial.cause.empty()) return text;
  std::vector<Cells> rows;
  for (const auto& output : trial.outputs) {
    const std::string verdict =
        output.refusal
            ? terminal.paint(Style::Bad,
                             "refused: " + std::string(program::text_of_refusal(*output.refusal)))
            : terminal.paint(Style::Good, "passes");
    rows.push_back({output.declared.name,
                    std::string(program::text_of_kind(output.declared.kind())), verdict,
                    output.refusal ? "" : render_count(output.bits)});
  }
  text += render_table({"OUTPUT", "KIND", "GATE", ">BITS"}, rows);
  for (const auto& output : trial.outputs) {
    if (!output.refusal) text += content_of(trial, output);
  }
  return text;
}

Json trial_json(const Trial& trial) {
  Json outputs = Json::array();
  for (const auto& output : trial.outputs) {
    outputs.push(Json::object(
        {{"name", output.declared.name},
         {"kind", program::text_of_kind(output.declared.kind())},
         {"passes", !output.refusal.has_value()},
         {"refusal", output.refusal ? Json{program::text_of_refusal(*output.refusal)} : Json{}},
         {"bits", output.bits},
         {"evidence", gate::evidence_json(output.evidence)}}));
  }
  return Json::object({{"passes", trial_passes(trial)},
                       {"cause", trial.cause.empty() ? Json{} : Json{trial.cause}},
                       {"exit_code", trial.exit_code},
                       {"stdout", printable(trial.said, trial.said.size() + 1)},
                       {"stderr", printable(trial.complained, trial.complained.size() + 1)},
                       {"cell_proof", trial.proof.text()},
                       {"entries", trial.entries},
                       {"outputs", outputs},
                       {"notes", trial.notes}});
}

Result<int> try_program(Session& session, const TryOptions& options) {
  COFFER_TRY(const Program program, read_program(options.directory));
  COFFER_TRY(const program::Manifest manifest, apply_settings(program.manifest, options.settings));
  COFFER_TRY(const Trial trial, run_trial(session, program, manifest));
  if (!options.output.empty()) COFFER_CHECK(save_canonical(trial, options.output));
  Json document = trial_json(trial);
  document.set("program", program.tree.digest.text());
  session.print(document, [&] {
    return "program " + program.tree.digest.text() + "\n" + render_trial(session.terminal(), trial);
  });
  return trial_passes(trial) ? kExitDone : kExitRefused;
}

Result<int> check_program(Session& session, const CheckOptions& options) {
  COFFER_TRY(const Program program, read_program(options.directory));
  COFFER_TRY(const Trial trial, run_trial(session, program, program.manifest));
  Json document = trial_json(trial);
  document.set("program", program.tree.digest.text());
  const bool passes = trial_passes(trial);
  Advice advice;
  if (trial.cause.empty() && !passes) advice = advise(trial, program.manifest.outputs);
  document.set("advice", advice.lines);
  if (advice.changed) {
    document.set("outputs_toml", program::outputs_toml(advice.outputs));
    COFFER_TRY(const std::string manifest, changed_manifest(program, advice.outputs));
    if (options.write) {
      COFFER_CHECK(replace_file(program.directory / "coffer.toml", manifest, Access::Ordinary));
    }
  }
  session.print(document, [&] {
    return "program " + program.tree.digest.text() + "\n" +
           render_trial(session.terminal(), trial) + render_advice(advice, options);
  });
  // Written: the next check passes, which is what was asked for.
  return passes || (options.write && advice.changed) ? kExitDone : kExitRefused;
}

}  // namespace coffer::cli
