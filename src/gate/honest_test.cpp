// What honest programs leave: it passes the judge, and the evidence keeps quiet about it.
#include <algorithm>
#include <numeric>

#include "gate/canonical.h"
#include "gate/evidence_testing.h"

namespace coffer::gate {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
double deviation(const std::vector<double>& values) {
  const double middle = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - middle) * (value - middle);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}
double quantile(std::vector<double> values, double at) {
  std::sort(values.begin(), values.end());
  const double place = at * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const auto high = std::min(low + 1, values.size() - 1);
  return values[low] + (place - static_cast<double>(low)) * (values[high] - values[low]);
}
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double x = mean(a);
  const double y = mean(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - x) * (b[i] - y);
  return sum / static_cast<double>(a.size() - 1) / deviation(a) / deviation(b);
}
std::vector<double> column_of(std::size_t measure, const std::string& stage) {
  std::vector<double> out;
  for (std::size_t row = 0; row < Clinic::kRows; ++row) {
    if (clinic().rows[row][2] == stage) out.push_back(clinic().measures[row][measure]);
  }
  return out;
}

void expect_quiet(const program::Output& output, std::string_view file) {
  const Evidence evidence = clinic().examine_file(output, file);
  EXPECT_TRUE(evidence.examined);
  EXPECT_FALSE(evidence.copies_bytes) << file.substr(0, 300);
  EXPECT_FALSE(evidence.copies_cells) << file.substr(0, 300) << evidence.chance_bits;
}

const std::string kMeasureColumns = [] {
  std::string out;
  for (std::size_t i = 0; i < Clinic::kMeasures; ++i) {
    out += fmt::format("{{ name = \"m{}\", min = -99999, max = 99999, digits = {} }},\n", i,
                       Clinic::kDigits[i % 6]);
  }
  return out;
}();
std::string measure_names() {
  std::string out;
  for (std::size_t i = 0; i < Clinic::kMeasures; ++i) out += fmt::format(",m{}", i);
  return out;
}

// ---- The evidence keeps quiet ------------------------------------------------------------------

TEST(Honest, MeansAndDeviationsByStageAreNoCopy) {
  // Under the columns' own names and with their own digits: as near to copies as aggregates come.
  for (const bool deviations : {false, true}) {
    std::string text = "stage" + measure_names() + "\n";
    for (const std::string stage : Clinic::kStages) {
      text += stage;
      for (std::size_t i = 0; i < Clinic::kMeasures; ++i) {
        const auto values = column_of(i, stage);
        text += fmt::format(",{}", deviations ? deviation(values) : mean(values));
      }
      text += '\n';
    }
    expect_quiet(table_of("rows_max = 4\ncolumns = [ { name = \"stage\", values = [\"I\", \"II\", "
                          "\"III\", \"IV\"], key = true },\n" +
                          kMeasureColumns + "]"),
                 text);
  }
}

TEST(Honest, MediansAndQuartilesAreNoCopy) {
  // Each is some person's value, but not four of one person.
  std::string text = "q" + measure_names() + "\n";
  for (const int percent : {5, 25, 50, 75, 95}) {
    text += fmt::format("{}", percent);
    for (std::size_t i = 0; i < Clinic::kMeasures; ++i) {
      text += fmt::format(",{}", quantile(clinic().column(i), percent / 100.0));
    }
    text += '\n';
  }
  expect_quiet(table_of("rows_max = 9\ncolumns = [ { name = \"q\", min = 0, max = 100, digits = 0, "
                        "key = true },\n" +
                        kMeasureColumns + "]"),
               text);
}

TEST(Honest, ConfusionMatricesAndCountsAreNoCopy) {
  std::string columns =
      "rows_max = 10\ncolumns = [ { name = \"truth\", min = 0, max = 9, digits = 0, key = true },";
  for (int i = 0; i < 10; ++i)
    columns += fmt::format("{{ name = \"p{}\", min = 0, max = 100000, digits = 0 }},", i);
  Random random{21};
  std::string text = "truth,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9\n";
  for (int i = 0; i < 10; ++i) {
    text += fmt::format("{}", i);
    for (int j = 0; j < 10; ++j)
      text += fmt::format(",{}", i == j ? 30 + random() % 50 : random() % 12);
    text += '\n';
  }
  expect_quiet(table_of(columns + "]"), text);
  std::string ages = "age,n\n";  // a histogram over a column's own values
  for (int age = 18; age < 100; ++age) {
    const auto n = std::count_if(clinic().rows.begin(), clinic().rows.end(),
                                 [&](const auto& row) { return std::stoi(row[3]) == age; });
    ages += fmt::format("{},{}\n", age, n);
  }
  expect_quiet(table_of(R"(rows_max = 100
columns = [ { name = "age", min = 0, max = 120, digits = 0, key = true },
            { name = "n", min = 0, max = 10000, digits = 0 } ])"),
               ages);
}

TEST(Honest, GroupsOfLabelsAreNoCopy) {
  std::string text = "diagnosis,stage,n,share\n";
  for (const std::string diagnosis : {"B", "M"}) {
    for (const std::string stage : Clinic::kStages) {
      const auto n =
          std::count_if(clinic().rows.begin(), clinic().rows.end(),
                        [&](const auto& row) { return row[1] == diagnosis && row[2] == stage; });
      text +=
          fmt::format("{},{},{},{}\n", diagnosis, stage, n, static_cast<double>(n) / Clinic::kRows);
    }
  }
  expect_quiet(table_of(R"(rows_max = 8
columns = [ { name = "diagnosis", values = ["B", "M"], key = true },
            { name = "stage", values = ["I", "II", "III", "IV"], key = true },
            { name = "n", min = 0, max = 10000, digits = 0 },
            { name = "share", min = 0, max = 1, digits = 3 } ])"),
               text);
}

TEST(Honest, CorrelationsAndCoefficientsAreNoCopy) {
  std::vector<float> correlations;
  std::vector<float> coefficients;
  for (std::size_t i = 0; i < Clinic::kMeasures; ++i) {
    for (std::size_t j = 0; j < Clinic::kMeasures; ++j) {
      correlations.push_back(
          static_cast<float>(correlation(clinic().column(i), clinic().column(j))));
    }
    coefficients.push_back(static_cast<float>((mean(column_of(i, "IV")) - mean(column_of(i, "I"))) /
                                              deviation(clinic().column(i))));
  }
  for (const std::string dtype : {"f32", "f16", "bf16"}) {
    expect_quiet(tensors_of("w = { shape = [12, 12], dtype = \"" + dtype + "\" }"),
                 one_tensor("F32", "[12,12]", raw(correlations)));
    expect_quiet(tensors_of("w = { shape = [12], dtype = \"" + dtype + "\" }"),
                 one_tensor("F32", "[12]", raw(coefficients)));
  }
  expect_quiet(tensors_of(R"(w = { shape = [12], dtype = "i8", scale = 0.01 })"),
               one_tensor("F32", "[12]", raw(coefficients)));
}

TEST(Honest, ScalersAreNoCopy) {
  // What a pipeline keeps to standardise its inputs: means and deviations, as weights.
  std::vector<double> both;
  for (std::size_t i = 0; i < Clinic::kMeasures; ++i) both.push_back(mean(clinic().column(i)));
  for (std::size_t i = 0; i < Clinic::kMeasures; ++i) both.push_back(deviation(clinic().column(i)));
  for (const std::string dtype : {"f32", "f16", "bf16"}) {
    expect_quiet(tensors_of("w = { shape = [2, 12], dtype = \"" + dtype + "\" }"),
                 one_tensor("F64", "[2,12]", raw(both)));
  }
}

TEST(Honest, NetworksAreNoCopy) {
  Random random{22};
  std::normal_distribution<float> normal{0, 0.05F};
  std::vector<float> weights(20000);
  for (auto& weight : weights) weight = normal(random);
  for (const std::string dtype : {"f32", "f16"}) {
    expect_quiet(tensors_of("w = { shape = [100, 200], dtype = \"" + dtype + "\" }"),
                 one_tensor("F32", "[100,200]", raw(weights)));
  }
  expect_quiet(tensors_of(R"(w = { shape = [100, 200], dtype = "i8", scale = 0.004 })"),
               one_tensor("F32", "[100,200]", raw(weights)));
}

TEST(Honest, CurvesAndHistogramsAreNoCopy) {
  std::string roc = "fpr,tpr,threshold\n";
  std::string bins = "low,n\n";
  const auto values = clinic().column(0);
  for (int i = 0; i <= 100; ++i) {
    roc +=
        fmt::format("{},{},{}\n", i / 100.0, std::sqrt(i / 100.0), quantile(values, 1 - i / 100.0));
  }
  for (int i = 0; i < 40; ++i) {
    const double low = 3 + i * 1.25;
    const auto n = std::count_if(values.begin(), values.end(),
                                 [&](double v) { return v >= low && v < low + 1.25; });
    bins += fmt::format("{},{}\n", low, n);
  }
  expect_quiet(table_of(R"(rows_max = 200
columns = [ { name = "fpr", min = 0, max = 1, digits = 3, key = true },
            { name = "tpr", min = 0, max = 1, digits = 3 },
            { name = "threshold", min = 0, max = 100, digits = 2 } ])"),
               roc);
  expect_quiet(table_of(R"(rows_max = 50
columns = [ { name = "low", min = 0, max = 100, digits = 2, key = true },
            { name = "n", min = 0, max = 1000, digits = 0 } ])"),
               bins);
}

// ---- The judge lets pass -----------------------------------------------------------------------

struct Benign {
  const char* what;
  program::Output output;
  std::string file;
};

std::vector<Benign> benign_metrics() {
  const auto accuracy = metrics_of(
      "accuracy = { min = 0, max = 1, digits = 4 }\n"
      "loss = { min = 0, max = 1000, digits = 6, optional = true }");
  return {
      {"json.dump of floats", accuracy, R"({"accuracy": 0.9473684210526315, "loss": 0.13942})"},
      {"json.dump with indent", accuracy, "{\n  \"accuracy\": 1.0,\n  \"loss\": 1e-05\n}\n"},
      {"a loss that diverged", accuracy, R"({"accuracy": 0.1, "loss": NaN})"},
      {"integers where floats were", accuracy, R"({"accuracy": 1, "loss": 0})"},
      {"numpy's repr of a float32", accuracy,
       R"({"accuracy": 0.8947368264198303, "loss": 2.0e+02})"},
      {"cross validation",
       metrics_of("fold_0 = { min = 0, max = 1, digits = 3 }\n"
                  "fold_1 = { min = 0, max = 1, digits = 3 }\n"
                  "best = { values = [\"l1\", \"l2\"] }"),
       R"({"best": "l2", "fold_1": 0.912, "fold_0": 0.9})"},
      {"counts beyond 2^53", metrics_of("n = { min = 0, max = 1000000000000000000, digits = 0 }"),
       R"({"n": 9007199254740993})"},
  };
}

std::vector<Benign> benign_tables() {
  const auto by_stage = table_of(R"(rows_max = 20
columns = [ { name = "stage", values = ["I", "II", "III", "IV", "n/a, other"], key = true },
            { name = "n", min = 0, max = 100000, digits = 0, optional = true },
            { name = "mean", min = -500, max = 500, digits = 1, optional = true } ])");
  return {
      {"pandas to_csv", by_stage, "stage,n,mean\nI,12,1.25\nII,7,-0.04\n"},
      {"pandas with gaps, whose counts became floats", by_stage,
       "stage,n,mean\nI,12.0,\nIV,,3.5\n"},
      {"csv.writer, which ends lines with CRLF", by_stage, "stage,n,mean\r\nII,7,3\r\n"},
      {"R's write.csv", by_stage, "\"stage\",\"n\",\"mean\"\n\"I\",12,1.5\n\"II\",7,2\n"},
      {"a label with a comma", by_stage, "stage,n,mean\n\"n/a, other\",1,2\n"},
      {"numpy's savetxt", by_stage, "stage,n,mean\nI,1.200000000000000000e+01,1.5e+00\n"},
      {"NaN written out", by_stage, "stage,n,mean\nI,NaN,nan\n"},
      {"no rows at all", by_stage, "stage,n,mean\n"},
  };
}

std::vector<Benign> benign_tensors() {
  const auto model = tensors_of(R"("bn.weight" = { shape = [2], dtype = "f32" }
"fc.bias" = { shape = [], dtype = "bf16" })",
                                R"(drop = ["*.num_batches_tracked"])");
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"bn.num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("bn.weight":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
      R"("fc.bias":{"dtype":"F32","shape":[],"data_offsets":[16,20]}}   )";
  const auto one = [](const std::string& dtype) {
    return tensors_of("w = { shape = [4], " + dtype + " }");
  };
  return {
      {"torch's save_file", model,
       safetensors(header, raw<std::int64_t>({7}) + raw<float>({1, 0.5F}) + raw<float>({-0.1F}))},
      {"float64 coefficients of scikit-learn", one("dtype = \"f32\""),
       one_tensor("F64", "[4]", raw<double>({0.1, -3.25, 1e-300, 0}))},
      {"half precision", one("dtype = \"f16\""),
       one_tensor("F16", "[4]", raw<std::uint16_t>({0x3c00, 0x8000, 0x0001, 0xfbff}))},
      {"tree thresholds as integers", one("dtype = \"i32\", min = -1, max = 1000"),
       one_tensor("I64", "[4]", raw<std::int64_t>({-1, 0, 17, 1000}))},
      {"a quantised layer", one("dtype = \"i8\", scale = 0.05"),
       one_tensor("F32", "[4]", raw<float>({0.1F, -0.125F, 6.3F, -6.4F}))},
      {"a mask", one("dtype = \"bool\""), one_tensor("BOOL", "[4]", std::string("\1\0\0\1", 4))},
      {"a small integer that is float", one("dtype = \"i32\", min = 0, max = 9"),
       one_tensor("F32", "[4]", raw<float>({1, 2, 3, 9}))},
  };
}

TEST(Honest, TwentyTwoBenignFilesAreNotRefused) {
  std::size_t count = 0;
  for (const auto& group : {benign_metrics(), benign_tables(), benign_tensors()}) {
    for (const auto& [what, output, file] : group) {
      SCOPED_TRACE(what);
      const Finding finding = judge_text(output, file);
      ASSERT_EQ(outcome(finding), "ok");
      ++count;
      // What is released is a fixed point: judged again it is the same.
      const auto canonical = Canonical::decode(output, finding.object);
      ASSERT_TRUE(canonical);
      EXPECT_EQ(judge_text(output, *canonical->text()).object, finding.object);
    }
  }
  EXPECT_EQ(count, 22U);
}

}  // namespace
}  // namespace coffer::gate
