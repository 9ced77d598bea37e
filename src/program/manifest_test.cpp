#include "program/manifest.h"

#include <gtest/gtest.h>

namespace coffer::program {
namespace {

constexpr std::string_view kExample = R"([program]
name = "logistic"
entry = ["python3", "train.py"]
environment = "python-sklearn"            # or name@sha256:...

[inputs]
tumours = "clinic/tumours"                # alias = dataset[@vN]

[params]                                  # public
folds = 5

[resources]                               # defaults in brackets
cpus = 2
memory = "1GiB"
time = "10m"
output = "64MiB"
gpus = 0
retry = 0

[[outputs]]
name = "metrics"
kind = "metrics"
lane = "bounded"
[outputs.fields]
accuracy = { min = 0, max = 1, digits = 3 }
rows     = { min = 0, max = 1000000, digits = 0 }
stage    = { values = ["fit", "skipped"] }

[[outputs]]
name = "weights"
kind = "tensors"
lane = "bounded"
drop = ["*.num_batches_tracked"]
[outputs.tensors]
coef      = { shape = [30], dtype = "f16" }
intercept = { shape = [1],  dtype = "f16" }

[[outputs]]
name = "by_stage"
kind = "table"
lane = "bounded"
rows_max = 20
columns = [
  { name = "stage", values = ["I", "II", "III", "IV"], key = true },
  { name = "n",     min = 0, max = 100000, digits = 0 },
  { name = "mean",  min = 0, max = 500,    digits = 1 },
]
)";

// The example with one piece of text in place of another.
std::string with(std::string_view from, std::string_view to) {
  std::string text(kExample);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

TEST(Manifest, TheExampleIsRead) {
  const auto manifest = parse_manifest(kExample);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->name, "logistic");
  EXPECT_EQ(manifest->entry, (std::vector<std::string>{"python3", "train.py"}));
  EXPECT_EQ(manifest->environment.text(), "python-sklearn");
  ASSERT_EQ(manifest->inputs.size(), 1U);
  EXPECT_EQ(manifest->inputs[0].dataset.text(), "clinic/tumours");
  EXPECT_EQ(manifest->params[0].value, ParamValue{std::int64_t{5}});
  EXPECT_EQ(manifest->resources, (Resources{.cpus = 2}));
  ASSERT_EQ(manifest->outputs.size(), 3U);
  EXPECT_EQ(manifest->outputs[0].file(), "metrics.json");
  EXPECT_EQ(manifest->outputs[1].file(), "weights.safetensors");
  EXPECT_EQ(manifest->outputs[2].file(), "by_stage.csv");
}

TEST(Manifest, ResourcesHaveTheirDefaults) {
  const auto manifest =
      parse_manifest("[program]\nname = \"a\"\nentry = [\"x\"]\nenvironment = \"e\"\n");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->resources, (Resources{.cpus = 1,
                                            .memory_bytes = 1ULL << 30,
                                            .time_s = 600,
                                            .output_bytes = 64ULL << 20,
                                            .gpus = 0}));
  EXPECT_EQ(manifest->retry, 0U);
  EXPECT_TRUE(manifest->outputs.empty());
}

struct Refusal {
  const char* from;
  const char* refused;
  const char* says;  // both of these stand in the message
  const char* and_says;
  const char* allowed;  // the nearest that is permitted
};

constexpr Refusal kRefusals[] = {
    {"cpus = 2", "cpuz = 2", "resources.cpuz", "did you mean cpus?", "cpus = 1"},
    {"[params] ", "[parms] ", "parms", "did you mean params?", "[params] "},
    {"cpus = 2", "cpus = 0", "resources.cpus", "1 to 1024", "cpus = 1024"},
    {"cpus = 2", "cpus = 2.0", "resources.cpus", "whole number", "cpus = 3"},
    {"\"1GiB\"", "\"15MiB\"", "memory", "16777216", "\"16MiB\""},
    {"\"1GiB\"", "1073741824", "resources.memory", "quotes", "\"1073741824\""},
    {"\"10m\"", "\"0s\"", "resources.time", "10m", "\"1s\""},
    {"\"10m\"", "\"721h\"", "time", "2592000", "\"720h\""},
    {"\"64MiB\"", "\"63KiB\"", "output", "65536", "\"64KiB\""},
    {"gpus = 0", "gpus = 65", "resources.gpus", "0 to 64", "gpus = 64"},
    {"retry = 0", "retry = 2", "resources.retry", "0 to 1", "retry = 1"},
    {"\"logistic\"", "\"Logistic\"", "program.name", "[a-z0-9]", "\"logistic.2\""},
    {"[\"python3\", \"train.py\"]", "[]", "program.entry", "1 to 64", "[\"x\"]"},
    {"[\"python3\", \"train.py\"]", "\"x\"", "program.entry", "list", "[\"x\", \"\"]"},
    {"\"python-sklearn\"", "\"python-sklearn@sha256:12\"", "program.environment", "64 hex",
     "\"python-sklearn@sha256:"
     "ba5285161ba6eed0085fb13784ce5c92f70ebc268b94fd66aa1d68a32884204d\""},
    {"\"clinic/tumours\"", "\"tumours\"", "inputs.tumours", "org/name", "\"clinic/tumours@v12\""},
    {"\"clinic/tumours\"", "\"clinic/tumours@v0\"", "inputs.tumours", "@v3", "\"c/t@v1\""},
    {"tumours = ", "\"../t\" = ", "inputs.../t", "[A-Za-z0-9_]", "\"t..t\" = "},
    {"folds = 5", "folds = [5]", "params.folds", "a number", "folds = 5.5"},
    {"folds = 5", "folds = 9007199254740992", "params.folds", "2^53", "folds = 9007199254740991"},
    {"folds = 5", "folds = 1979-05-27", "line 10", "dates", "folds = \"1979-05-27\""},
    {"folds = 5", "folds = inf", "line 10", "finite", "folds = 1e300"},
    {"folds = 5", "folds = 5\nfolds = 6", "line 11", "folds", "folds = 5\nfold = 6"},
    {"min = 0, max = 1, digits = 3", "min = 0, max = 1", "fields.accuracy.digits", "missing",
     "min = 0, max = 1, digits = 18"},
    {"min = 0, max = 1, digits = 3", "min = 0, max = 1, digits = 19", "accuracy.digits", "0 to 18",
     "min = -1, max = 1, digits = 18"},
    {"min = 0, max = 1, digits = 3", "min = 0, max = 1.1, digits = 18", "accuracy", "10^18",
     "min = 0, max = 1.0, digits = 18"},
    {"min = 0, max = 1, digits = 3", "min = 0, max = 0.0005, digits = 3", "max", "10^-3",
     "min = 0, max = 0.005, digits = 3"},
    {"min = 0, max = 1, digits = 3", "min = 1, max = 0.999, digits = 3", "min", "above max",
     "min = 1, max = 1, digits = 3"},
    {"min = 0, max = 1, digits = 3", "min = \"0\", max = 1, digits = 3", "accuracy.min", "a number",
     "min = +0.0_0, max = 1, digits = 3"},
    {"values = [\"fit\", \"skipped\"]", "values = []", "stage", "1 to 65536", "values = [\"fit\"]"},
    {"values = [\"fit\", \"skipped\"]", "values = [\"fit\", \"fit\"]", "'fit'", "twice",
     "values = [\"fit\", \"Fit\"]"},
    {"values = [\"fit\", \"skipped\"]", "values = [\"fit\"], clamp = true", "stage.clamp", "values",
     "values = [\"fit\"], optional = true"},
    {"values = [\"I\", ", "values = [\"\", ", "columns.stage", "null", "values = [\" \", "},
    {"values = [\"I\", ", "values = [\"NaN\", ", "columns.stage", "null", "values = [\"Nano\", "},
    {"lane = \"bounded\"", "lane = \"proved\"", "outputs.metrics", "only bounded",
     "lane = \"bounded\""},
    {"lane = \"bounded\"", "lane = \"unbounded\"", "outputs.metrics.lane", "must be bounded",
     "lane = \"bounded\""},
    {"kind = \"metrics\"", "kind = \"metric\"", "outputs.metrics.kind", "tensors",
     "kind = \"metrics\""},
    {"name = \"weights\"", "name = \"metrics\"", "outputs.metrics", "twice", "name = \"metrics2\""},
    {"name = \"weights\"", "name = \"release\"", "outputs.release", "release.json",
     "name = \"releases\""},
    {"drop = [\"*.num", "drops = [\"*.num", "outputs.weights.drops", "did you mean drop?",
     "drop = [\"*num"},
    {"drop = [\"*.num_batches_tracked\"]", "drop = [\"coe*\"]", "drop", "'coef'",
     "drop = [\"coe\"]"},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"f64\"", "coef.dtype", "bf16",
     "shape = [30], dtype = \"bf16\""},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"i8\"", "coef.scale", "needs one",
     "shape = [30], dtype = \"i8\", scale = 0.01"},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"i8\", scale = 0", "scale", "10^-30",
     "shape = [30], dtype = \"i8\", scale = 1e-30"},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"f16\", scale = 1", "scale",
     "i8 only", "shape = [30], dtype = \"i8\", scale = 1"},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"i32\", min = 0", "coef.max",
     "missing", "shape = [30], dtype = \"i32\", min = 0, max = 0"},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"i32\", min = 0, max = 2147483648",
     "coef.max", "32 bits", "shape = [30], dtype = \"i32\", min = 0, max = 2147483647"},
    {"shape = [30], dtype = \"f16\"", "shape = [30], dtype = \"f16\", min = 0", "coef.min",
     "i32 only", "shape = [30], dtype = \"bool\""},
    {"shape = [30], dtype = \"f16\"", "shape = [-1], dtype = \"f16\"", "coef.shape",
     "whole numbers", "shape = [0], dtype = \"f16\""},
    {"shape = [30], dtype = \"f16\"", "shape = [1,1,1,1,1,1,1,1,1], dtype = \"f16\"", "shape",
     "8 dimensions", "shape = [1,1,1,1,1,1,1,1], dtype = \"f16\""},
    {"shape = [30], dtype = \"f16\"", "shape = [68719476737], dtype = \"bool\"", "shape",
     "68719476736", "shape = [68719476736], dtype = \"bool\""},
    {"shape = [30], dtype = \"f16\"", "shape = [4294967296, 4294967296], dtype = \"bool\"", "shape",
     "68719476736", "shape = [4294967296, 0], dtype = \"bool\""},
    {"shape = [30], dtype = \"f16\"", "shape = [68719476736], dtype = \"f16\"", "weights",
     "1099511627776", "shape = [34359738368], dtype = \"f16\""},
    {"coef      = ", "layer.0.weight = ", "tensors.layer", "quoted", "\"layer.0.weight\" = "},
    {"coef      = ", "__metadata__ = ", "__metadata__", "safetensors", "_metadata_ = "},
    {"rows_max = 20", "rows_max = -1", "rows_max", "100000000", "rows_max = 0"},
    {"{ name = \"n\", ", "{ name = \"stage\", ", "columns.stage", "twice", "{ name = \"Stage\", "},
    {"{ name = \"n\", ", "{ ", "columns.?.name", "missing", "{ name = \"?\", "},
    {"{ name = \"n\", ", "{ name = \"a\\nb\", ", "columns", "control", "{ name = \"a b\", "},
    {"key = true", "key = 1", "columns.stage.key", "true or false", "key = false"},
};

TEST(Manifest, EachRefusalNamesFieldAndLimitAndItsNeighbourIsPermitted) {
  for (const auto& refusal : kRefusals) {
    SCOPED_TRACE(std::string(refusal.from) + " -> " + refusal.refused);
    const auto refused = parse_manifest(with(refusal.from, refusal.refused));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::InvalidArgument);
    const std::string& message = refused.error().message;
    EXPECT_TRUE(message.starts_with("coffer.toml: ")) << message;
    EXPECT_NE(message.find(refusal.says), std::string::npos) << message;
    EXPECT_NE(message.find(refusal.and_says), std::string::npos) << message;
    const auto allowed = parse_manifest(with(refusal.from, refusal.allowed));
    EXPECT_TRUE(allowed) << allowed.error().message;
  }
}

TEST(Manifest, NumbersAreTheTextOfTheFileAndNoDouble) {
  const auto manifest =
      parse_manifest(with("min = 0, max = 1, digits = 3",
                          "note = 0, min = -0.100000000000000001, max = 0.3, digits = 18")
                         .replace(0, 0, "# \xe6\x95\xb0 \xe6\x8d\xae\r\n"));
  EXPECT_FALSE(manifest);  // `note` is unknown
  const auto good = parse_manifest(
      with("accuracy = { min = 0, max = 1, digits = 3 }",
           "\"\xe6\x95\xb0\" = { min = -0.100_000_000_000_000_001, max = +3e-1, digits = 18 }"));
  ASSERT_TRUE(good) << good.error().message;
  const auto& fields = std::get<Metrics>(good->outputs[0].body).fields;
  const auto& number = std::get<Number>(fields.back().domain);
  EXPECT_EQ(number.min.text(), "-0.100000000000000001");
  EXPECT_EQ(number.max.text(), "0.3");
}

TEST(Manifest, TextThatIsNotTomlIsRefused) {
  for (const char* broken : {"[=", "[[=]]", "[", "[a.=]", "[\n]", "\xef\xbb\x83so:!"}) {
    const auto refused = parse_manifest(broken);
    ASSERT_FALSE(refused) << broken;
    EXPECT_TRUE(refused.error().message.starts_with("coffer.toml: ")) << refused.error().message;
  }
}

// Each part of a key is a table in a table: some ten thousand would end the process.
TEST(Manifest, AKeyOfManyPartsIsRefusedWhereverItStands) {
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += " . a";
  const std::string example{kExample};
  for (const char* before :
       {"[", "[[", "x = { ", "x = [ {\n", "x = \"\"\"a\"\"\"\"\"\n", "x = '''it's'''\n",
        "x = \"\\\"\"\n", "x = '\\'\n", "x = '\n", "# \"\n", "\"x\"."}) {
    const auto bad = parse_manifest(example + "\n" + before + deep + " = 1\n");
    ASSERT_FALSE(bad) << before;
    EXPECT_NE(bad.error().message.find("a key has more than 9 parts"), std::string::npos)
        << before << ": " << bad.error().message;
  }
  for (const std::string& permitted :
       {"# " + deep, "# ' \"\n# " + deep, "[params]\nx = \"" + deep.substr(0, 99) + "\""}) {
    const auto good = parse_manifest(example.substr(0, example.find("[params]")) + permitted +
                                     "\n" + example.substr(example.find("[resources]")));
    EXPECT_TRUE(good) << permitted.substr(0, 20) << ": " << good.error().message;
  }
}

TEST(Manifest, ALargeFileIsRefused) {
  const std::string room(kManifestBytesMax - kExample.size(), '#');
  EXPECT_TRUE(parse_manifest(std::string(kExample) + room));
  EXPECT_FALSE(parse_manifest(std::string(kExample) + room + "#"));
}

Manifest with_params() {
  auto manifest =
      parse_manifest(with("folds = 5", "folds = 5\nrate = 0.50\nname = \"x\"\nfast = false\n"));
  EXPECT_TRUE(manifest);
  return *std::move(manifest);
}

TEST(Params, AnOverrideHasTheTypeOfTheDefault) {
  for (const auto* good :
       {"folds=7", "folds=-7", "rate=1", "rate=1e-3", "name=a=b", "name=", "fast=true"}) {
    EXPECT_TRUE(with_param(with_params(), good)) << good;
  }
  for (const auto* bad :
       {"folds=7.0", "folds=x", "folds=", "folds", "rate=x", "rate=nan", "fast=yes", "name=\xff"}) {
    EXPECT_FALSE(with_param(with_params(), bad)) << bad;
  }
  const auto unknown = with_param(with_params(), "fold=7");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("did you mean folds?"), std::string::npos);
  EXPECT_EQ(with_param(with_params(), "name=a=b")->params[2].value, ParamValue{std::string("a=b")});
}

TEST(Params, SignedAndFileFormsKeepTheirTypes) {
  const auto manifest = with_param(with_params(), "rate=1");
  ASSERT_TRUE(manifest);
  EXPECT_EQ(signed_params(manifest->params).canonical(),
            R"({"fast":false,"folds":5,"name":"x","rate":"1"})");
  EXPECT_EQ(params_file(manifest->params),
            "{\"fast\":false,\"folds\":5,\"name\":\"x\",\"rate\":1.0}\n");
  const auto back = params_from_signed(with_params().params, signed_params(manifest->params));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, manifest->params);
}

TEST(Params, ASignedFormThatIsNotTheOneFormIsRefused) {
  const auto& params = with_params().params;
  const auto read = [&params](std::string_view text) {
    return params_from_signed(params, *Json::parse(text)).has_value();
  };
  EXPECT_TRUE(read(R"({"fast":true,"folds":6,"name":"","rate":"0.25"})"));
  EXPECT_FALSE(read(R"({"fast":true,"folds":6,"name":"","rate":"0.250"})"));
  EXPECT_FALSE(read(R"({"fast":true,"folds":6,"name":"","rate":0.25})"));
  EXPECT_FALSE(read(R"({"fast":true,"folds":"6","name":"","rate":"0.25"})"));
  EXPECT_FALSE(read(R"({"fast":"true","folds":6,"name":"","rate":"0.25"})"));
  EXPECT_FALSE(read(R"({"fast":true,"folds":6,"name":1,"rate":"0.25"})"));
  EXPECT_FALSE(read(R"({"folds":6,"name":"","rate":"0.25"})"));
  EXPECT_FALSE(read(R"({"fast":true,"folds":6,"more":1,"name":"","rate":"0.25"})"));
}

RunTerms terms_of(const Manifest& manifest) {
  RunTerms terms{.aliases = {},
                 .parameters = signed_params(manifest.params),
                 .resources = manifest.resources,
                 .retry = manifest.retry,
                 .outputs = manifest.outputs};
  for (const auto& input : manifest.inputs) terms.aliases.push_back(input.alias);
  return terms;
}

TEST(Terms, WhatTheManifestFixesMustBeSignedAsItStands) {
  const Manifest manifest = with_params();
  const RunTerms same = terms_of(manifest);
  EXPECT_TRUE(agree(manifest, same));

  RunTerms flags = same;  // may be set for a run
  flags.resources.cpus = 8;
  flags.resources.time_s = 1;
  flags.resources.memory_bytes = 2ULL << 30;
  flags.parameters.set("folds", 9);
  EXPECT_TRUE(agree(manifest, flags));

  const auto differ = [&](auto change) {
    RunTerms terms = same;
    change(terms);
    const auto answer = agree(manifest, terms);
    return answer ? std::string("agree") : answer.error().message;
  };
  const auto says = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(says(differ([](auto& t) { t.aliases.clear(); }), "inputs"));
  EXPECT_TRUE(says(differ([](auto& t) { t.parameters.set("folds", "9"); }), "params"));
  EXPECT_TRUE(says(differ([](auto& t) { t.resources.output_bytes *= 2; }), "resources.output"));
  EXPECT_TRUE(says(differ([](auto& t) { t.resources.gpus = 1; }), "resources.gpus"));
  EXPECT_TRUE(says(differ([](auto& t) { t.retry = 1; }), "resources.retry"));
  EXPECT_TRUE(says(differ([](auto& t) { t.outputs.pop_back(); }), "number of outputs"));
  EXPECT_TRUE(says(differ([](auto& t) { std::get<Table>(t.outputs[2].body).rows_max = 21; }),
                   "outputs.by_stage"));
}

TEST(Resources, TheSignedFormIsStrict) {
  const Json good = resources_json({.cpus = 2});
  EXPECT_TRUE(parse_resources(good));
  for (const auto& [key, value] : Json::Object{{"cpus", 0},
                                               {"cpus", std::int64_t{4294967298}},
                                               {"cpus", "2"},
                                               {"memory_bytes", 1},
                                               {"time_s", 0},
                                               {"gpus", 65},
                                               {"more", 1}}) {
    Json bad = good;
    bad.set(key, value);
    EXPECT_FALSE(parse_resources(bad)) << bad.canonical();
  }
  Json short_one = good;
  short_one.as_object()->pop_back();
  EXPECT_FALSE(parse_resources(short_one));
}

TEST(WriteOutputs, WhatIsWrittenIsReadBack) {
  std::string odd = with("accuracy = {", "\"a.b \\\"c\\\"\" = {");
  odd = odd.replace(odd.find("\"fit\""), 5, "\"line\\nfeed\"");
  const auto manifest = parse_manifest(odd);
  ASSERT_TRUE(manifest) << manifest.error().message;
  const auto back =
      parse_manifest("[program]\nname = \"a\"\nentry = [\"x\"]\nenvironment = \"e\"\n" +
                     outputs_toml(manifest->outputs));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->outputs, manifest->outputs);
}

TEST(WriteOutputs, EverythingElseOfTheFileStays) {
  const auto manifest = parse_manifest(kExample);
  ASSERT_TRUE(manifest);
  const std::string head(kExample.substr(0, kExample.find("[[outputs]]")));
  const auto only_metrics = std::vector<Output>{manifest->outputs[0]};
  const auto out = replace_outputs(kExample, only_metrics);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(*out, head + outputs_toml(only_metrics));
  EXPECT_EQ(*replace_outputs(*out, only_metrics), *out);

  // Outputs in the middle, with a comment that belongs to what follows.
  const std::string params = "# the parameters\n[params]\nfolds = 5\n";
  const std::string middle =
      head.substr(0, head.find("[params]")) + outputs_toml(manifest->outputs) + "\n" + params;
  const auto moved = replace_outputs(middle, only_metrics);
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_NE(moved->find(params), std::string::npos) << *moved;
  EXPECT_EQ(parse_manifest(*moved)->outputs, only_metrics);
}

TEST(WriteOutputs, AFileWhoseOutputsAreNotTablesIsLeftAlone) {
  const std::string inline_form =
      "outputs = [{ name = \"m\", kind = \"metrics\", lane = \"bounded\", fields = { a = { min = "
      "0, "
      "max = 1, digits = 0 } } }]\n[program]\nname = \"a\"\nentry = [\"x\"]\nenvironment = \"e\"\n";
  const auto manifest = parse_manifest(inline_form);
  ASSERT_TRUE(manifest) << manifest.error().message;
  const auto refused = replace_outputs(inline_form, manifest->outputs);
  ASSERT_FALSE(refused);
}

}  // namespace
}  // namespace coffer::program
