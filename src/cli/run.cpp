#include "cli/run.h"

#include <algorithm>
#include <set>
#include <thread>

#include "cli/command.h"
#include "cli/sentence.h"

namespace coffer::cli {
namespace {

constexpr auto kPollTime = 400ms;

std::uint64_t number(const Json& object, std::string_view key) {
  return object[key].as_uint().value_or(0);
}

bool is_settled(const std::string& state) {
  static const std::set<std::string> kSettled{"done", "held", "refused", "failed", "cancelled"};
  return kSettled.contains(state);
}

// The same key gives the same nonce, so that a repeated command is the same run.
grant::Nonce nonce_of(const KeyPair& keys, const std::string& idempotency_key) {
  if (idempotency_key.empty()) return fresh_nonce();
  const Key derived = derive_key(keys.sign.seed(), "coffer-run-nonce\n" + idempotency_key);
  grant::Nonce nonce{};
  std::copy(derived.expose().begin(), derived.expose().end(), nonce.begin());
  return nonce;
}

std::string amounts_text(const Json& amounts) {
  return counted(number(amounts, "bits"), "bit") + ", " + counted(number(amounts, "runs"), "run") +
         ", " + render_count(number(amounts, "cpu_ms") / 1000) + " cpu s";
}

std::string outputs_table(const Terminal& terminal, const Json& run) {
  const auto* outputs = run["outputs"].as_array();
  if (outputs == nullptr || outputs->empty()) return "";
  std::vector<Cells> rows;
  for (const auto& output : *outputs) {
    std::string verdict = terminal.state(output.text_or("verdict", ""));
    if (output["refusal"].is_string()) verdict += ": " + printable(output.text_or("refusal", ""));
    const bool measured = output.text_or("verdict", "") == "released";
    rows.push_back({printable(output.text_or("name", "")), output.text_or("kind", ""), verdict,
                    (measured ? "" : "at most ") + render_count(number(output, "bits")),
                    output.text_or("release", "")});
  }
  return "\n" + render_table({"OUTPUT", "KIND", "VERDICT", ">BITS", "RELEASE"}, rows);
}

std::string inputs_text(const Json& run) {
  std::vector<std::string> lines;
  if (const auto* inputs = run["inputs"].as_array()) {
    for (const auto& input : *inputs) {
      lines.push_back(printable(input.text_or("alias", "")) + " = " +
                      printable(input.text_or("dataset", "")));
    }
  }
  return lines.empty() ? "none" : join(lines, "\n");
}

}  // namespace

std::string next_news(const Json& document) {
  const std::string time = document.text_or("next_visible", "");
  if (time.size() != 20) return "";
  return "next news at " + time.substr(11, 8);
}

int exit_of_run(const Json& run) {
  const std::string state = run.text_or("state", "");
  return state == "refused" || state == "failed" || state == "cancelled" ? kExitRefused : kExitDone;
}

std::string render_run(const Terminal& terminal, const Json& run) {
  std::string state = terminal.state(run.text_or("state", ""));
  if (run["cause"].is_string()) state += ": " + printable(run.text_or("cause", ""));
  const std::string news = next_news(run);
  if (!news.empty()) state += ", " + news;
  std::vector<std::string> grants;
  if (const auto* items = run["grants"].as_array()) {
    for (const auto& item : *items) {
      if (const auto* text = item.as_string()) grants.push_back(*text);
    }
  }
  Fields fields{{"run", run.text_or("id", "")},
                {"state", state},
                {"program", printable(run["program"].text_or("name", "")) + "  " +
                                run["program"].text_or("digest", "").substr(0, 19)},
                {"inputs", inputs_text(run)},
                {"grants", grants.empty() ? "none" : join(grants, "\n")},
                {"quote", amounts_text(run["quote"])},
                {"charged", amounts_text(run["charged"])},
                {"submitted", run.text_or("submitted", "")}};
  if (run["started"].is_string()) fields.emplace_back("started", run.text_or("started", ""));
  if (run["ended"].is_string()) fields.emplace_back("ended", run.text_or("ended", ""));
  if (run["cell_proof"].is_string()) {
    fields.emplace_back("cell proof", run.text_or("cell_proof", ""));
  }
  if (run.text_or("state", "") == "failed") {
    fields.emplace_back("why", "coffer runs log " + run.text_or("id", ""));
  }
  if (run["deadline"].is_string() && run.text_or("state", "") == "held") {
    fields.emplace_back("withheld after", run.text_or("deadline", ""));
  }
  return render_fields(fields) + outputs_table(terminal, run);
}

Result<Json> wait_for_run(Session& session, const std::string& id) {
  COFFER_TRY(Server * server, session.server());
  ProgressLine progress{session.terminal(), session.clock(), id};
  for (;;) {
    auto run = server->get(target({"v1", "runs", id}));
    if (!run) {
      if (problem_of(run.error()).code != "silent") return std::move(run).error();
      progress.step("no answer: the machine may be quiet for an exclusive run");
      continue;
    }
    const std::string state = run->text_or("state", "");
    if (is_settled(state)) return run;
    const std::string news = next_news(*run);
    progress.step(state + (news.empty() ? "" : ", " + news));
    std::this_thread::sleep_for(kPollTime);
  }
}

Result<int> submit_run(Session& session, const RunOptions& options) {
  COFFER_TRY(const Program program, read_program(options.directory));
  COFFER_TRY(const program::Manifest manifest, apply_settings(program.manifest, options.settings));
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Resolved resolved, resolve(session, manifest, split_list(options.grants)));
  for (const auto& input : resolved.inputs) {
    if (input.version.manifest.is_public || input.grant) continue;
    return refused("grant_missing",
                   input.version.name.text() + " is protected: name a grant with --grant",
                   "coffer grant ls");
  }
  const grant::Run run =
      run_object(program, manifest, resolved, nonce_of(*keys, options.idempotency_key));
  COFFER_CHECK(send_program(session, program));
  COFFER_TRY(Server * server, session.server());
  const grant::Envelope envelope = grant::sign(run, keys->sign);
  COFFER_TRY(Json document, server->post("/v1/runs",
                                         Json::object({{"envelope", envelope_json(envelope)},
                                                       {"program_name", manifest.name}}),
                                         options.idempotency_key));
  const std::string id = grant::run_id(envelope.digest());
  if (document.text_or("id", "") != id) return refused("corrupt", "the server took another run");
  session.remember("run", id);
  if (!options.wait && options.output.empty()) {
    session.print(document, [&] {
      const auto quote = program::quote_of(manifest.resources, manifest.outputs);
      return id + " is " + document.text_or("state", "queued") + "; " +
             (resolved.grants.empty() ? "it reads nothing protected and costs nothing"
                                      : quote_sentence(quote)) +
             "\nnext: coffer runs wait " + id + "\n";
    });
    return kExitDone;
  }
  COFFER_TRY(document, wait_for_run(session, id));
  std::vector<FetchedRelease> fetched;
  if (!options.output.empty() && document.text_or("state", "") != "failed") {
    auto released = fetch_run(session, id, options.output);
    if (released) {
      fetched = *std::move(released);
    } else if (problem_of(released.error()).code != "not_released") {
      return std::move(released).error();
    }
    document.set("fetched", fetched_json(fetched));
  }
  session.print(document, [&] {
    return render_run(session.terminal(), document) + (fetched.empty() ? "" : "\n") +
           render_fetched(fetched);
  });
  return exit_of_run(document);
}

}  // namespace coffer::cli
