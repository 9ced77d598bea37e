// coffer run; coffer runs ls, show, wait, cancel, log.
#include "cli/command.h"
#include "cli/run.h"

namespace coffer::cli {
namespace {

Result<int> list_runs(Session& session) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json::Array items, server->list("/v1/runs"));
  session.print(Json::object({{"items", items}}), [&] {
    std::vector<Cells> rows;
    for (const auto& item : items) {
      std::string state = session.terminal().state(item.text_or("state", ""));
      if (item["cause"].is_string()) state += ": " + printable(item.text_or("cause", ""));
      const std::string news = next_news(item);
      if (!news.empty()) state += ", " + news;
      rows.push_back({item.text_or("id", ""), state, printable(item["program"].text_or("name", "")),
                      printable(item.text_or("user", "")),
                      render_count(item["charged"]["bits"].as_uint().value_or(0)),
                      item.text_or("submitted", "")});
    }
    return render_table({"RUN", "STATE", "PROGRAM", "USER", ">BITS", "SUBMITTED"}, rows);
  });
  return kExitDone;
}

Result<int> show_run(Session& session, const std::string& text) {
  COFFER_TRY(const std::string id, session.resolve(kRunNoun, split_run_output(text).run));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json run, server->get(target({"v1", "runs", id})));
  session.remember("run", id);
  session.print(run, [&] { return render_run(session.terminal(), run); });
  return kExitDone;
}

Result<int> wait_run(Session& session, const std::string& text) {
  COFFER_TRY(const std::string id, session.resolve(kRunNoun, text));
  COFFER_TRY(const Json run, wait_for_run(session, id));
  session.remember("run", id);
  session.print(run, [&] { return render_run(session.terminal(), run); });
  return exit_of_run(run);
}

Result<int> cancel_run(Session& session, const std::string& text) {
  COFFER_TRY(const std::string id, session.resolve(kRunNoun, text));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json run, server->post(target({"v1", "runs", id, "cancel"}), Json::object({})));
  session.print(run, [&] {
    const std::string news = next_news(run);
    return id + " will be cancelled" + (news.empty() ? "" : ", " + news) + "\n";
  });
  return kExitDone;
}

std::string render_log(const Json& log) {
  std::vector<Cells> rows;
  if (const auto* events = log["events"].as_array()) {
    for (const auto& event : *events) {
      rows.push_back({event.text_or("time", ""), printable(event.text_or("text", ""))});
    }
  }
  std::string text = render_table({"TIME", "WHAT"}, rows);
  if (log["report"].is_object()) {
    const Json& report = log["report"];
    text += "the program ended with " + printable(report.text_or("exception", "an exception"));
    if (!report.text_or("file", "").empty()) {
      text += " at " + printable(report.text_or("file", "")) + ":" +
              std::to_string(report.int_or("line", 0));
    }
    text += "\n";
  }
  const std::string problem = log.text_or("problem", "");
  if (!problem.empty()) text += "the run did not start: " + printable(problem) + "\n";
  const std::string news = next_news(log);
  return text + (news.empty() ? "" : news + "\n");
}

Result<int> log_run(Session& session, const std::string& text) {
  COFFER_TRY(const std::string id, session.resolve(kRunNoun, text));
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json log, server->get(target({"v1", "runs", id, "log"})));
  session.print(log, [&] { return render_log(log); });
  return kExitDone;
}

void add_run(const Menu& menu) {
  auto options = std::make_shared<RunOptions>();
  auto* command = add(menu.root, "run", "Signs and submits a run",
                      "coffer run examples/logistic --grant @last --wait -o results");
  command->add_option("DIR", options->directory, "The program")->required();
  command->add_option("--grant", options->grants, "One for each protected input, joined by commas");
  command->add_option("--param", options->settings.params, "K=V, as often as needed")
      ->allow_extra_args(false);
  command->add_option("--cpus", options->settings.cpus, "Processors");
  command->add_option("--memory", options->settings.memory, "512MiB, 2GiB …");
  command->add_option("--time", options->settings.time, "30s, 10m, 2h …");
  command->add_flag("--wait", options->wait, "Until it is done or held (0), or not (1)");
  command->add_option("-o,--output", options->output, "Wait, and put what is released here");
  command->add_option("--idempotency-key", options->idempotency_key,
                      "The same key is the same run, however often it is sent");
  on(menu, command, [options](Session& session) { return submit_run(session, *options); });
}

}  // namespace

void add_run_commands(const Menu& menu) {
  add_run(menu);
  auto* group = add_group(menu.root, "runs", "Runs: list, show, wait, cancel, log");
  on(menu, add(group, "ls", "Runs you may see", "coffer runs ls"),
     [](Session& session) { return list_runs(session); });
  auto id = std::make_shared<std::string>();
  using Command = Result<int> (*)(Session&, const std::string&);
  const auto add_one = [&](const char* name, const char* help, Command function) {
    auto* command = add(group, name, help, std::string("coffer runs ") + name + " @last");
    command->add_option("RUN", *id, "Its id, a unique prefix, or @last")->required();
    on(menu, command, [id, function](Session& session) { return function(session, *id); });
  };
  add_one("show", "One run: state, outputs, charge", show_run);
  add_one("wait", "Waits until it is over or held", wait_run);
  add_one("cancel", "Cancels; a started run shows it at its next slot", cancel_run);
  add_one("log", "The safe report", log_run);
}

}  // namespace coffer::cli
