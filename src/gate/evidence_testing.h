// Protected data for the tests of the evidence: a clinic's table as such tables are, made by a
// seed.
//
// Errors, thread-safety: as testing.h.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <random>

#include "gate/evidence.h"
#include "gate/testing.h"

namespace coffer::gate {

using Random = std::mt19937_64;  // seeded: every run is the same

// 569 persons: id, diagnosis, stage, age, visits and twelve measurements that go together, of which
// the range is published.
class Clinic {
 public:
  static constexpr std::size_t kRows = 569;
  static constexpr std::size_t kMeasures = 12;

  Clinic() {
    Random random{7};
    std::normal_distribution<double> normal;
    std::string text = "id,diagnosis,stage,age,visits";
    for (std::size_t i = 0; i < kMeasures; ++i) text += fmt::format(",m{}", i);
    text += '\n';
    for (std::size_t row = 0; row < kRows; ++row) {
      const double size = normal(random);
      std::vector<std::string> cells{fmt::format("{}", 840000 + random() % 90000),
                                     size > 0.3 ? "M" : "B", kStages[random() % 4],
                                     fmt::format("{}", 30 + random() % 50),
                                     fmt::format("{}", random() % 12)};
      measures.emplace_back();
      for (std::size_t i = 0; i < kMeasures; ++i) {
        const double value = kCentre[i % 6] * std::exp(0.25 * (0.8 * size + 0.6 * normal(random)));
        const int digits = kDigits[i % 6];
        cells.push_back(fmt::format("{:.{}f}", value, digits));
        measures.back().push_back(std::stod(cells.back()));
      }
      rows.push_back(cells);
      text += fmt::format("{}\n", fmt::join(cells, ","));
    }
    directory.write("clinic/data.csv", text);
    inputs = {{.alias = "clinic", .card = card()}};
  }

  // The line of a row as it stands in the file.
  std::string line(std::size_t row) const { return fmt::format("{}", fmt::join(rows[row], ",")); }
  std::vector<double> column(std::size_t i) const {
    std::vector<double> out;
    for (const auto& row : measures) out.push_back(row[i]);
    return out;
  }
  Evidence examine_file(const program::Output& output, std::string_view bytes) const {
    const Finding finding = judge_text(output, bytes);
    EXPECT_EQ(outcome(finding), "ok") << bytes.substr(0, 200);
    auto evidence = examine(directory.fd(), inputs, output, finding.object);
    EXPECT_TRUE(evidence) << evidence.error().message;
    return *evidence;
  }

  static constexpr std::array<const char*, 4> kStages{"I", "II", "III", "IV"};
  static constexpr std::array<double, 6> kCentre{14.1, 19.3, 92.0, 655.0, 0.096, 0.104};
  static constexpr std::array<int, 6> kDigits{2, 2, 2, 1, 5, 5};
  TempDirectory directory;
  std::vector<ProtectedInput> inputs;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::vector<double>> measures;

 private:
  static Json column_card(const std::string& name, const std::string& type, const std::string& low,
                          const std::string& high, const Json::Array& values = {}) {
    return Json::object({{"name", name},
                         {"kind", "other"},
                         {"type", type},
                         {"values", values},
                         {"min", low},
                         {"max", high},
                         {"blanks", false}});
  }
  static Json card() {
    Json columns{Json::Array{}};
    columns.push(column_card("diagnosis", "text", "", "", {Json{"B"}, Json{"M"}}));
    columns.push(
        column_card("stage", "text", "", "", {Json{"I"}, Json{"II"}, Json{"III"}, Json{"IV"}}));
    columns.push(column_card("age", "integer", "18", "99"));
    columns.push(column_card("visits", "integer", "0", "50"));
    for (std::size_t i = 0; i < kMeasures; ++i) {
      columns.push(column_card(fmt::format("m{}", i), "decimal",
                               fmt::format("{:.1f}", kCentre[i % 6] / 4),
                               fmt::format("{:.1f}", kCentre[i % 6] * 4)));
    }
    return Json::object({{"files", Json::array({Json::object({{"path", "data.csv"},
                                                              {"format", "csv"},
                                                              {"rows", kRows},
                                                              {"columns", columns}})})}});
  }
};

inline const Clinic& clinic() {
  static const Clinic kInstance;
  return kInstance;
}

}  // namespace coffer::gate
