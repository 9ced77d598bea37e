#include "grant/objects.h"

#include <algorithm>
#include <array>

namespace coffer::grant {
namespace {

constexpr std::array<std::string_view, 3> kClasses = {"general", "important", "core"};
constexpr std::array<std::string_view, 8> kColumnKinds = {
    "identifier", "quasi_identifier", "sensitive", "free_text", "numeric", "label", "date",
    "other"};
constexpr std::array<std::string_view, 5> kColumnTypes = {"integer", "decimal", "text", "date",
                                                          "boolean"};
constexpr std::array<std::string_view, 3> kApprovalVerdicts = {"approve", "refuse", "return"};
constexpr std::string_view kIdPrefix = "ds_";
constexpr std::size_t kIdLength = 19;

template <class E, std::size_t N>
std::optional<E> find_name(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto* at = std::find(names.begin(), names.end(), name);
  if (at == names.end()) return {};
  return static_cast<E>(at - names.begin());
}

ByteVector binding_bytes(const VersionKeyBinding& binding) {
  ByteVector out;
  const auto add = [&out](ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
  add(bytes_of(binding.dataset_id));
  add(binding.owner_key);
  add(binding.manifest.bytes);
  return out;
}

}  // namespace

bool is_dataset_id(std::string_view text) {
  return text.size() == kIdLength && text.starts_with(kIdPrefix) &&
         std::all_of(text.begin() + 3, text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

bool is_date_text(std::string_view text) {
  const auto time = parse_time(std::string(text) + "T00:00:00Z");
  return text.size() == 10 && time && render_time(*time).starts_with(text);
}

std::string make_dataset_id() { return std::string(kIdPrefix) + base32(random_bytes(10)); }

std::string_view class_name(DataClass data_class) {
  return kClasses.at(static_cast<std::size_t>(data_class));
}
std::optional<DataClass> class_of(std::string_view name) {
  return find_name<DataClass>(kClasses, name);
}
std::string_view column_kind_name(ColumnKind kind) {
  return kColumnKinds.at(static_cast<std::size_t>(kind));
}
std::optional<ColumnKind> column_kind_of(std::string_view name) {
  return find_name<ColumnKind>(kColumnKinds, name);
}
std::string_view column_type_name(ColumnType type) {
  return kColumnTypes.at(static_cast<std::size_t>(type));
}
std::optional<ColumnType> column_type_of(std::string_view name) {
  return find_name<ColumnType>(kColumnTypes, name);
}
std::string_view approval_verdict_name(ApprovalVerdict verdict) {
  return kApprovalVerdicts.at(static_cast<std::size_t>(verdict));
}
std::optional<ApprovalVerdict> approval_verdict_of(std::string_view name) {
  return find_name<ApprovalVerdict>(kApprovalVerdicts, name);
}

std::string keeper_fingerprint(std::string_view ledger_vkey, const SealPublic& keeper_key) {
  Sha256 hash;
  hash.update("coffer-keeper-v1\n").update(ledger_vkey).update("\n").update(keeper_key);
  return hash.finish().id("");
}

Result<ByteVector> seal_version_key(const SealPublic& keeper_key, const Key& version_key,
                                    const VersionKeyBinding& binding) {
  const auto key = version_key.expose();
  ByteVector plain(key.begin(), key.end());
  const auto rest = binding_bytes(binding);
  plain.insert(plain.end(), rest.begin(), rest.end());
  auto sealed = seal_to(keeper_key, plain);
  sodium_memzero(plain.data(), plain.size());
  return sealed;
}

Result<Key> open_version_key(const SealKey& keeper_key, ByteView sealed,
                             const VersionKeyBinding& binding) {
  COFFER_TRY(ByteVector plain, keeper_key.open(sealed));
  const auto wanted = binding_bytes(binding);
  const bool fits = plain.size() == 32 + wanted.size() &&
                    equal_constant_time(ByteView{plain}.subspan(32), wanted);
  if (!fits) return Error{Code::Denied, "the sealed key is bound to another version"};
  auto key = key_from(ByteView{plain}.first(32));
  sodium_memzero(plain.data(), plain.size());
  return key;
}

}  // namespace coffer::grant
