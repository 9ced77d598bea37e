// coffer init and quote; the commands on programs and their options.
#include "cli/program.h"

#include <sys/stat.h>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/sentence.h"

namespace coffer::cli {
namespace {

namespace fs = std::filesystem;

std::string toml_text(std::string_view text) { return Json(text).canonical(); }

std::string alias_of(const program::DatasetName& name) {
  std::string alias = name.name;
  for (char& c : alias) {
    if (c == '.' || c == '-') c = '_';
  }
  return alias;
}

Json outputs_json(const program::Quote& quote) {
  Json items = Json::array();
  for (const auto& output : quote.outputs) {
    items.push(Json::object({{"name", output.name},
                             {"verdict_bits", program::kVerdictBits},
                             {"max_object_bits", output.object_bits_max}}));
  }
  return items;
}

std::string render_decisions(const Json& answer) {
  std::vector<Cells> rows;
  if (const auto* outputs = answer["outputs"].as_array()) {
    for (const auto& output : *outputs) {
      rows.push_back({printable(output.text_or("name", "")), output.text_or("kind", ""),
                      render_count(output["max_object_bits"].as_uint().value_or(0)),
                      output.text_or("decision", "")});
    }
  }
  return render_table({"OUTPUT", "KIND", ">AT MOST BITS", "THEN"}, rows);
}

std::string ask_hint(const Program& program, const program::Quote& quote) {
  std::string text;
  for (const auto& input : program.manifest.inputs) {
    text += "next: coffer grant ask " + input.dataset.plain() + " --purpose T --program " +
            program.directory.string() + " --runs 20 --bits " +
            std::to_string(20 * quote.cost.bits) + "\n";
  }
  return text;
}

// With grants the server says what it would answer; nothing is reserved.
Result<Json> ask_server(Session& session, const Program& program, const program::Manifest& manifest,
                        const QuoteOptions& options) {
  COFFER_TRY(const Resolved resolved, resolve(session, manifest, split_list(options.grants)));
  const grant::Run run = run_object(program, manifest, resolved, fresh_nonce());
  COFFER_TRY(Server * server, session.server());
  return server->post("/v1/quotes", Json::object({{"run", grant::to_json(run)}}));
}

}  // namespace

Result<std::vector<std::string>> split_command(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool started = false;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote)
        quote = 0;
      else
        word += c;
    } else if (c == '"' || c == '\'') {
      quote = c;
      started = true;
    } else if (c == ' ' || c == '\t') {
      if (started) words.push_back(std::move(word));
      word.clear();
      started = false;
    } else {
      word += c;
      started = true;
    }
  }
  if (quote != 0) return usage_error("--entry: a quote is not closed");
  if (started) words.push_back(std::move(word));
  if (words.empty()) return usage_error("--entry: write a command such as \"python3 main.py\"");
  return words;
}

std::string first_manifest(const InitOptions& options, const std::vector<std::string>& entry) {
  std::string words;
  for (const auto& word : entry) words += (words.empty() ? "" : ", ") + toml_text(word);
  std::string name = fs::path(options.directory).filename().string();
  for (char& c : name) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (!program::is_name(name)) name = "program";
  std::string text = "[program]\nname = " + toml_text(name) + "\nentry = [" + words +
                     "]\nenvironment = " + toml_text(options.environment) + "\n\n[inputs]\n";
  for (const auto& input : options.inputs) {
    const auto dataset = program::DatasetName::parse(input);
    if (dataset) text += alias_of(*dataset) + " = " + toml_text(input) + "\n";
  }
  return text +
         "\n[resources]\ncpus = 1\nmemory = \"1GiB\"\ntime = \"10m\"\n\n"
         "# What may come out, and in how many digits: every digit costs bits.\n"
         "[[outputs]]\nname = \"metrics\"\nkind = \"metrics\"\nlane = \"bounded\"\n"
         "[outputs.fields]\nrows = { min = 0, max = 1000000, digits = 0 }\n";
}

std::string first_program(const std::string& alias) {
  return "\"\"\"Counts lines of the input: replace this with your own.\"\"\"\n"
         "import json\nimport os\nimport pathlib\n\n"
         "data = pathlib.Path(os.environ[\"COFFER_DATA\"]) / \"" +
         alias +
         "\"\n"
         "out = pathlib.Path(os.environ[\"COFFER_OUT\"])\n\n"
         "rows = 0\n"
         "for path in sorted(data.rglob(\"*\")):\n"
         "    if path.is_file():\n"
         "        rows += max(0, path.read_bytes().count(b\"\\n\") - 1)\n\n"
         "(out / \"metrics.json\").write_text(json.dumps({\"rows\": rows}))\n";
}

Result<int> init_program(Session& session, const InitOptions& options) {
  for (const auto& input : options.inputs) {
    COFFER_TRY([[maybe_unused]] const auto name, dataset_argument(input));
  }
  const auto environment = program::EnvironmentName::parse(options.environment);
  if (!environment) return usage_error("--env: " + environment.error().message, "coffer env ls");
  COFFER_TRY(const auto entry, split_command(options.entry));
  const fs::path directory = options.directory;
  COFFER_CHECK(require_new(directory / "coffer.toml"));
  const std::string manifest = first_manifest(options, entry);
  if (const auto good = program::parse_manifest(manifest); !good) return good.error();
  COFFER_CHECK(replace_file(directory / "coffer.toml", manifest, Access::Ordinary));
  COFFER_TRY(const auto first, dataset_argument(options.inputs.front()));
  std::vector<std::string> written{"coffer.toml"};
  for (const auto& word : entry) {
    if (!word.ends_with(".py") || !program::is_tree_path(word)) continue;
    if (!require_new(directory / word)) continue;  // what is there stays
    COFFER_CHECK(replace_file(directory / word, first_program(alias_of(first)), Access::Ordinary));
    written.push_back(word);
  }
  session.print(Json::object({{"directory", options.directory}, {"files", written}}), [&] {
    return "made " + join(written, " and ") + " in " + options.directory + "\nnext: coffer try " +
           options.directory + "\n";
  });
  return kExitDone;
}

Result<int> quote_program(Session& session, const QuoteOptions& options) {
  COFFER_TRY(const Program program, read_program(options.directory));
  COFFER_TRY(const program::Manifest manifest, apply_settings(program.manifest, options.settings));
  const program::Quote quote = program::quote_of(manifest.resources, manifest.outputs);
  Json document = Json::object({{"program", program.tree.digest.text()},
                                {"name", manifest.name},
                                {"quote", program::cost_json(quote.cost)},
                                {"slots", quote.slot_count},
                                {"header_bits", quote.header_bits},
                                {"judging_allowance_s", quote.allowance_s},
                                {"outputs", outputs_json(quote)}});
  Json answer;
  if (!options.grants.empty()) {
    COFFER_TRY(answer, ask_server(session, program, manifest, options));
    document.set("server", answer);
  }
  session.print(document, [&] {
    std::string text = render_fields(
        {{"program", manifest.name + "  " + program.tree.digest.text()},
         {"cost", quote_sentence(quote)},
         {"processor", render_duration(std::chrono::seconds{
                           static_cast<std::int64_t>(quote.cost.cpu_ms / 1000)}) +
                           " at most, 1 run"},
         {"seen at", std::to_string(quote.slot_count) + " instants, judging takes up to " +
                         render_duration(
                             std::chrono::seconds{static_cast<std::int64_t>(quote.allowance_s)})}});
    if (answer.is_null()) return text + ask_hint(program, quote);
    text += "\n" + render_decisions(answer);
    if (answer["problem"].is_object()) {
      text += "would be refused: " + printable(answer["problem"].text_or("detail", ""), 400) + "\n";
    }
    return text;
  });
  return answer.is_object() && !answer.bool_or("accepted", true) ? kExitRefused : kExitDone;
}

namespace {

void add_settings(CLI::App* command, RunSettings& settings) {
  command->add_option("--param", settings.params, "K=V, as often as needed")
      ->allow_extra_args(false);
  command->add_option("--cpus", settings.cpus, "Processors");
  command->add_option("--memory", settings.memory, "512MiB, 2GiB …");
  command->add_option("--time", settings.time, "30s, 10m, 2h …");
}

}  // namespace

void add_program_commands(const Menu& menu) {
  auto init = std::make_shared<InitOptions>();
  auto* command = add(menu.root, "init", "A coffer.toml and a first program that runs",
                      "coffer init counting --input clinic/tumours --env python-sklearn "
                      "--entry \"python3 main.py\"");
  command->add_option("DIR", init->directory, "A directory, made if need be")->required();
  command->add_option("--input", init->inputs, "ORG/NAME, as often as needed")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--env", init->environment, "The environment's name")->required();
  command->add_option("--entry", init->entry, "The command that starts it")->required();
  on(menu, command, [init](Session& session) { return init_program(session, *init); });

  auto trying = std::make_shared<TryOptions>();
  command = add(menu.root, "try", "Runs it on twins: same cell, same gate, full output, no grant",
                "coffer try examples/logistic");
  command->add_option("DIR", trying->directory, "The program")->required();
  command->add_option("-o,--output", trying->output, "Put here what would be released");
  add_settings(command, trying->settings);
  on(menu, command, [trying](Session& session) { return try_program(session, *trying); });

  auto check = std::make_shared<CheckOptions>();
  command = add(menu.root, "check", "Tries it; 1 if the gate would refuse, and what would pass",
                "coffer check examples/logistic --write");
  command->add_option("DIR", check->directory, "The program")->required();
  command->add_flag("--write", check->write, "Write [[outputs]] from what it left in /out");
  on(menu, command, [check](Session& session) { return check_program(session, *check); });

  auto quote = std::make_shared<QuoteOptions>();
  command = add(menu.root, "quote", "The most a run can cost, automatic or held",
                "coffer quote examples/logistic --grant @last");
  command->add_option("DIR", quote->directory, "The program")->required();
  command->add_option("--grant", quote->grants, "Ids, joined by commas; else: what to ask for");
  add_settings(command, quote->settings);
  on(menu, command, [quote](Session& session) { return quote_program(session, *quote); });
}

}  // namespace coffer::cli
