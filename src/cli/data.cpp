// coffer data: its commands and their options.
#include "cli/data.h"

#include "cli/command.h"

namespace coffer::cli {
namespace {

void add_adding(const Menu& menu, CLI::App* group) {
  auto options = std::make_shared<DataAddOptions>();
  auto* command = add(group, "add", "Encrypts files here and sends them; resumes",
                      "coffer data add clinic/tumours tumours.csv --note \"569 patients\"");
  command->add_option("NAME", options->name, "ORG/NAME")->required();
  command->add_option("PATH", options->paths, "Files and directories")->required();
  command->add_option("--note", options->note, "A line for the card");
  command->add_flag("--append", options->append, "Keep the files of the version before");
  command->add_flag("--replace", options->replace, "Files that are not given go");
  command->add_flag("--public", options->is_public, "Ordinary files: any run may read them");
  on(menu, command, [options](Session& session) { return data_add(session, *options); });
}

void add_grading(const Menu& menu, CLI::App* group) {
  auto scan = std::make_shared<DataScanOptions>();
  auto* command = add(group, "scan", "Proposed kinds of columns, with reasons",
                      "coffer data scan clinic/tumours -o columns.csv");
  command->add_option("NAME", scan->name, "ORG/NAME[@vN]")->required();
  command->add_option("-o,--output", scan->output, "Where to write columns.csv");
  on(menu, command, [scan](Session& session) { return data_scan(session, *scan); });

  auto grade = std::make_shared<DataGradeOptions>();
  command = add(group, "grade", "Classifies, grades and publishes the card (signed)",
                "coffer data grade clinic/tumours --class important --grade 3 --accept-proposed");
  command->footer(grade_table() + "\n" + command->get_footer());
  command->add_option("NAME", grade->name, "ORG/NAME[@vN]")->required();
  command->add_option("--class", grade->data_class, "general, important or core")->required();
  command->add_option("--grade", grade->grade, "1 to 4")->required();
  command->add_option("--columns", grade->columns, "columns.csv as you edited it");
  command->add_flag("--accept-proposed", grade->accept_proposed, "Publish what the scan proposed");
  on(menu, command, [grade](Session& session) { return data_grade(session, *grade); });

  auto limit = std::make_shared<DataLimitOptions>();
  command = add(group, "limit", "What may ever leave, over all grants (signed)",
                "coffer data limit clinic/tumours --bits 1M");
  command->add_option("NAME", limit->name, "ORG/NAME")->required();
  command->add_option("--bits", limit->bits, "64k, 94M …")->required();
  command->add_option("--epsilon", limit->epsilon, "For the proved lane");
  command->add_flag("--overcommit", limit->overcommit, "Grants may sum above it");
  on(menu, command, [limit](Session& session) { return data_limit(session, *limit); });
}

void add_showing(const Menu& menu, CLI::App* group) {
  auto name = std::make_shared<std::string>();
  auto* command = add(group, "ls", "Datasets you may know of", "coffer data ls tumour");
  command->add_option("QUERY", *name, "Words to find");
  on(menu, command, [name](Session& session) { return data_list(session, *name); });
  command = add(group, "show", "One dataset: grade, card, versions, budgets",
                "coffer data show clinic/tumours");
  command->add_option("NAME", *name, "ORG/NAME[@vN]")->required();
  on(menu, command, [name](Session& session) { return data_show(session, *name); });

  auto card = std::make_shared<DataCardOptions>();
  command = add(group, "card", "The published card; sets its readme and who sees it",
                "coffer data card clinic/tumours --file README.md --visible members");
  command->add_option("NAME", card->name, "ORG/NAME[@vN]")->required();
  command->add_option("--file", card->file, "The readme");
  command->add_option("--visible", card->visible, "Who sees it")
      ->check(CLI::IsMember({"all", "members", "private"}));
  on(menu, command, [card](Session& session) { return data_card(session, *card); });

  command = add(group, "rm", "Removes a version: its key is shredded (signed)",
                "coffer data rm clinic/tumours@v1");
  command->add_option("NAME", *name, "ORG/NAME@vN")->required();
  on(menu, command, [name](Session& session) { return data_remove(session, *name); });

  auto twin = std::make_shared<DataTwinOptions>();
  command = add(group, "twin", "Makes the synthetic stand-in here, from the card",
                "coffer data twin clinic/tumours -o twin");
  command->add_option("NAME", twin->name, "ORG/NAME[@vN]")->required();
  command->add_option("-o,--output", twin->output, "A new directory")->required();
  command->add_option("--rows", twin->rows, "Rows of each table");
  command->add_option("--seed", twin->seed, "Other values for another number");
  on(menu, command, [twin](Session& session) { return data_twin(session, *twin); });
}

}  // namespace

void add_data_commands(const Menu& menu) {
  auto* group = add_group(menu.root, "data", "Datasets: add, grade, limit, show");
  add_adding(menu, group);
  add_grading(menu, group);
  add_showing(menu, group);
}

}  // namespace coffer::cli
