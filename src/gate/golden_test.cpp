// Every `judged` case of the golden protocol vectors: verdict, bits, values, and the way back.
#include <algorithm>

#include "gate/canonical.h"
#include "gate/detail/canonical_form.h"
#include "gate/testing.h"
#include "program/decimal.h"

namespace coffer::gate {
namespace {

const Json& golden() {
  static const Json kFile = [] {
    std::ifstream in(COFFER_GOLDEN_DIR "/protocol.json");
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    auto json = Json::parse(text);
    EXPECT_TRUE(json);
    return *std::move(json);
  }();
  return kFile;
}

std::string file_bytes(const Json& file) {
  if (const auto* text = file["text"].as_string()) return *text;
  const auto bytes = parse_base64(file.text_or("base64", ""));
  EXPECT_TRUE(bytes);
  return std::string(text_of(*bytes));
}

// A wanted value and a code of a domain say the same.
void expect_value(const program::Domain& domain, std::uint64_t code, const Json& wanted) {
  const auto text = text_of_code(domain, code);
  if (wanted.is_null()) {
    EXPECT_FALSE(text);
    return;
  }
  ASSERT_TRUE(text);
  if (std::holds_alternative<program::Choice>(domain)) {
    EXPECT_EQ(*text, *wanted.as_string());
    return;
  }
  EXPECT_EQ(*program::Decimal::parse(*text), *program::Decimal::parse(*wanted.as_string()));
}

void expect_metrics(const program::Metrics& metrics, const BitString& object, const Json& wanted) {
  const auto codes = decode_metrics(metrics, object);
  ASSERT_TRUE(codes);
  ASSERT_EQ(wanted.as_object()->size(), codes->size());
  for (std::size_t i = 0; i < codes->size(); ++i) {
    const auto& [name, domain] = metrics.fields[i];
    expect_value(domain, (*codes)[i], wanted[name]);
  }
}

void expect_table(const program::Table& table, const BitString& object, const Json& wanted) {
  const auto codes = decode_table(table, object);
  ASSERT_TRUE(codes);
  const std::size_t width = table.columns.size();
  ASSERT_EQ(wanted.as_array()->size() * width, codes->size());
  for (std::size_t i = 0; i < codes->size(); ++i) {
    expect_value(table.columns[i % width].domain, (*codes)[i],
                 (*(*wanted.as_array())[i / width].as_array())[i % width]);
  }
}

// The data of the canonical file is the wanted data, tensor after tensor in byte order of names.
void expect_tensors(const program::Output& output, const BitString& object, const Json& wanted) {
  const auto canonical = Canonical::decode(output, object);
  ASSERT_TRUE(canonical);
  const auto& tensors = std::get<program::Tensors>(output.body);
  std::string data;
  for (const auto& tensor : tensors.tensors) {
    const auto part = parse_base64(wanted[tensor.name].text_or("data_base64", "?"));
    ASSERT_TRUE(part);
    data += text_of(*part);
  }
  EXPECT_EQ(*canonical->text(), safetensors_head(tensors) + data);
}

void expect_object(const program::Output& output, const BitString& object, const Json& expect) {
  EXPECT_EQ(static_cast<std::int64_t>(object.length), expect.int_or("object_bits", -1));
  EXPECT_EQ(static_cast<std::int64_t>(object.length + program::kVerdictBits),
            expect.int_or("charge_if_released", -1));
  ASSERT_TRUE(check_object(output, object));
  const Json& values = expect["canonical_values"];
  if (const auto* metrics = std::get_if<program::Metrics>(&output.body)) {
    expect_metrics(*metrics, object, values);
  } else if (const auto* table = std::get_if<program::Table>(&output.body)) {
    expect_table(*table, object, values);
  } else {
    expect_tensors(output, object, values);
  }
  // The canonical file is judged to the same object, and fits what is set aside for it.
  const auto canonical = Canonical::decode(output, object);
  ASSERT_TRUE(canonical);
  EXPECT_EQ(judge_text(output, *canonical->text()).object, object);
  EXPECT_LE(canonical->size(), canonical_size_max(output));
  EXPECT_LE(canonical->size() + 40, sealed_size(output));
}

TEST(GateGolden, JudgesEveryCaseAsProposed) {
  std::size_t judged = 0;
  for (const Json& sample : *golden()["judged"].as_array()) {
    SCOPED_TRACE(sample.text_or("id", "") + ": " + sample.text_or("title", ""));
    const Json& expect =
        sample.has("expect_as_proposed") ? sample["expect_as_proposed"] : sample["expect"];
    if (!sample.has("file") || expect.text_or("declaration", "") != "ok") continue;
    const auto outputs = outputs_of(sample.text_or("declaration_toml", ""));
    const Json& file = sample["file"];
    ASSERT_EQ(outputs[0].file(), file.text_or("name", ""));
    const Finding finding = judge_text(outputs[0], file_bytes(file));
    ++judged;
    if (expect.text_or("judged", "") == "refused") {
      EXPECT_EQ(outcome(finding), (*expect["refusal_any_of"].as_array())[0].as_string()->c_str());
      EXPECT_TRUE(finding.object.bytes.empty());
      continue;
    }
    ASSERT_EQ(outcome(finding), "ok");
    expect_object(outputs[0], finding.object, expect);
  }
  EXPECT_EQ(judged, 139U);
}

}  // namespace
}  // namespace coffer::gate
