// The commands on datasets, one function each; the options are those of their command lines.
//
// Errors: as commands do (problem.h). Thread-safety: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/session.h"
#include "scan/proposal.h"

namespace coffer::cli {

struct DataAddOptions {
  std::string name;
  std::vector<std::string> paths;
  std::string note;
  bool append{false};
  bool replace{false};
  bool is_public{false};
};
Result<int> data_add(Session& session, const DataAddOptions& options);

struct DataGradeOptions {
  std::string name;
  std::string data_class;
  std::uint64_t grade{0};
  std::string columns;
  bool accept_proposed{false};
};
Result<int> data_grade(Session& session, const DataGradeOptions& options);

struct DataScanOptions {
  std::string name;
  std::string output;
};
Result<int> data_scan(Session& session, const DataScanOptions& options);

struct DataLimitOptions {
  std::string name;
  std::string bits;
  std::string epsilon;
  bool overcommit{false};
};
Result<int> data_limit(Session& session, const DataLimitOptions& options);

struct DataCardOptions {
  std::string name;
  std::string file;
  std::string visible;
};
Result<int> data_list(Session& session, const std::string& query);
Result<int> data_show(Session& session, const std::string& name);
Result<int> data_card(Session& session, const DataCardOptions& options);
Result<int> data_remove(Session& session, const std::string& name);

struct DataTwinOptions {
  std::string name;
  std::string output;
  std::string rows;
  std::uint64_t seed{0};
};
Result<int> data_twin(Session& session, const DataTwinOptions& options);

// A decimal number of epsilon in thousandths: "1.5" is 1500. Errors: exit 2.
Result<std::uint64_t> parse_epsilon(std::string_view text);

// What a proposal publishes, as people read it: file, column, kind, values or range.
std::string render_published(const std::vector<scan::File>& files);
// What class and grade imply, for --help.
std::string grade_table();

}  // namespace coffer::cli
