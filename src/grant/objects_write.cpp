#include "grant/objects.h"

namespace coffer::grant {
namespace {

template <std::size_t N>
Json key_json(const std::array<std::byte, N>& key) {
  return Json{base64(key)};
}

Json keys_json(const std::vector<SignPublic>& keys) {
  Json out = Json::array();
  for (const auto& key : keys) out.push(key_json(key));
  return out;
}

Json digest_or(const std::optional<Digest>& digest, std::string_view otherwise) {
  return Json{digest ? digest->text() : std::string(otherwise)};
}

Json column_json(const CardColumn& column) {
  return Json::object({{"name", column.name},
                       {"kind", column_kind_name(column.kind)},
                       {"type", column_type_name(column.type)},
                       {"values", column.values},
                       {"min", column.min},
                       {"max", column.max},
                       {"blanks", column.blanks}});
}

Json file_json(const CardFile& file) {
  Json columns = Json::array();
  for (const auto& column : file.columns) columns.push(column_json(column));
  return Json::object({{"path", file.path},
                       {"format", file.format},
                       {"rows", file.rows},
                       {"columns", std::move(columns)}});
}

Json program_json(const PermittedProgram& program) {
  Json parameters = Json::object({});
  for (const auto& [name, values] : program.parameters) parameters.set(name, Json(values));
  return Json::object({{"program", program.program.text()},
                       {"environment", program.environment.text()},
                       {"parameters", std::move(parameters)}});
}

Json programs_json(const std::optional<std::vector<PermittedProgram>>& programs) {
  if (!programs) return Json{"any"};
  Json out = Json::array();
  for (const auto& program : *programs) out.push(program_json(program));
  return out;
}

template <class T, class Name>
Json names_json(const std::vector<T>& items, Name name) {
  Json out = Json::array();
  for (const T& item : items) out.push(Json{name(item)});
  return out;
}

}  // namespace

Json to_json(const UserKey& o) {
  return Json::object({{"user", o.user},
                       {"sign_key", key_json(o.sign_key)},
                       {"seal_key", key_json(o.seal_key)},
                       {"recovery_keys", keys_json(o.recovery_keys)},
                       {"recovery_need", o.recovery_need},
                       {"previous", digest_or(o.previous, "")},
                       {"sequence", o.sequence},
                       {"ledger_vkey", o.ledger_vkey},
                       {"issued", render_time(o.issued)}});
}

Json to_json(const Removal& o) {
  return Json::object({{"user", o.user},
                       {"sign_key", key_json(o.sign_key)},
                       {"ledger_vkey", o.ledger_vkey},
                       {"issued", render_time(o.issued)}});
}

Json to_json(const Manifest& o) {
  return Json::object({{"dataset_id", o.dataset_id},
                       {"name", o.name},
                       {"version", o.version},
                       {"parent", digest_or(o.parent, "")},
                       {"public", o.is_public},
                       {"content", o.content.text()},
                       {"chunk_list", o.chunk_list.text()},
                       {"files", o.files},
                       {"bytes", o.bytes},
                       {"owner_key", key_json(o.owner_key)},
                       {"owner_seal_key", key_json(o.owner_seal_key)},
                       {"ledger_vkey", o.ledger_vkey},
                       {"issued", render_time(o.issued)}});
}

Json to_json(const Card& o) {
  Json files = Json::array();
  for (const auto& file : o.files) files.push(file_json(file));
  return Json::object({{"dataset_id", o.dataset_id},
                       {"manifest", o.manifest.text()},
                       {"class", class_name(o.data_class)},
                       {"grade", o.grade},
                       {"sequence", o.sequence},
                       {"owner_key", key_json(o.owner_key)},
                       {"ledger_vkey", o.ledger_vkey},
                       {"issued", render_time(o.issued)},
                       {"files", std::move(files)}});
}

Json to_json(const Limit& o) {
  return Json::object({{"dataset_id", o.dataset_id},
                       {"bits", o.bits},
                       {"epsilon_milli", o.epsilon_milli},
                       {"overcommit", o.overcommit},
                       {"sequence", o.sequence},
                       {"owner_key", key_json(o.owner_key)},
                       {"ledger_vkey", o.ledger_vkey},
                       {"issued", render_time(o.issued)}});
}

Json to_json(const Grant& o) {
  Json budgets = Json::object({{"bits", o.budgets.bits},
                               {"epsilon_milli", o.budgets.epsilon_milli},
                               {"delta_exp", o.budgets.delta_exp},
                               {"runs", o.budgets.runs},
                               {"cpu_ms", o.budgets.cpu_ms}});
  return Json::object({{"ledger_vkey", o.ledger_vkey},
                       {"dataset_id", o.dataset_id},
                       {"manifest", digest_or(o.manifest, "*")},
                       {"owner_key", key_json(o.owner_key)},
                       {"grantee_keys", keys_json(o.grantee_keys)},
                       {"approver_keys", keys_json(o.approver_keys)},
                       {"approvals_needed", o.approvals_needed},
                       {"purpose", o.purpose},
                       {"lanes", names_json(o.lanes, program::text_of_lane)},
                       {"output_kinds", names_json(o.output_kinds, program::text_of_kind)},
                       {"programs", programs_json(o.programs)},
                       {"budgets", std::move(budgets)},
                       {"auto_bits", o.auto_bits},
                       {"auto_total", o.auto_total},
                       {"exclusive", o.exclusive},
                       {"not_before", render_time(o.not_before)},
                       {"until", render_time(o.until)},
                       {"nonce", key_json(o.nonce)},
                       {"issued", render_time(o.issued)}});
}

Json to_json(const Revocation& o) {
  return Json::object(
      {{"grant", o.grant.text()}, {"reason", o.reason}, {"issued", render_time(o.issued)}});
}

Json to_json(const Run& o) {
  Json inputs = Json::array();
  for (const auto& input : o.inputs) {
    inputs.push(Json::object({{"alias", input.alias}, {"digest", input.manifest.text()}}));
  }
  Json parameters = Json::object({});
  for (const auto& [name, value] : o.parameters) parameters.set(name, value);
  Json grants = Json::array();
  for (const auto& digest : o.grants) grants.push(Json{digest.text()});
  return Json::object({{"program", o.program.text()},
                       {"environment", o.environment.text()},
                       {"inputs", std::move(inputs)},
                       {"parameters", std::move(parameters)},
                       {"resources", program::resources_json(o.resources)},
                       {"retry", o.retry},
                       {"outputs", program::declaration_json(o.outputs)},
                       {"grants", std::move(grants)},
                       {"nonce", key_json(o.nonce)}});
}

Json to_json(const Approval& o) {
  return Json::object({{"run", o.run.text()},
                       {"output", o.output},
                       {"commitment", o.commitment.text()},
                       {"verdict", approval_verdict_name(o.verdict)},
                       {"reason", o.reason}});
}

}  // namespace coffer::grant
