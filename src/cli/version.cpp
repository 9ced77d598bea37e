#include "cli/version.h"

#include "cli/problem.h"

namespace coffer::cli {
namespace {

Error untrue(const std::string& dataset, std::string_view why) {
  Error error = refused("corrupt",
                        "what the server says of " + dataset +
                            " is not what its owner "
                            "signed: " +
                            std::string(why),
                        "tell the owner and the operator");
  error.code = Code::Corrupt;
  return error;
}

Result<> add_card(Version& version, const std::string& label) {
  if (version.document["card_envelope"].is_null()) return {};
  COFFER_TRY(const grant::Envelope envelope, envelope_of(version.document["card_envelope"]));
  COFFER_TRY(grant::Card card, grant::open<grant::Card>(envelope));
  if (card.owner_key != version.manifest.owner_key ||
      card.dataset_id != version.manifest.dataset_id ||
      !grant::signed_by(envelope, card.owner_key)) {
    return untrue(label, "the card's signature");
  }
  COFFER_TRY(version.card_payload, Json::parse(envelope.payload));
  version.card = std::move(card);
  return {};
}

}  // namespace

std::string dataset_target(const program::DatasetName& name) {
  return target({"v1", "datasets", name.org, name.name});
}

std::string version_target(const program::DatasetName& name) {
  return dataset_target(name) + "/versions/" +
         (name.version ? std::to_string(*name.version) : std::string("latest"));
}

Result<program::DatasetName> dataset_argument(std::string_view text) {
  auto name = program::DatasetName::parse(text);
  if (!name) return usage_error(name.error().message, "coffer data ls");
  return name;
}

Result<program::DatasetName> plain_dataset_argument(std::string_view text) {
  COFFER_TRY(program::DatasetName name, dataset_argument(text));
  if (name.version) return usage_error(name.text() + ": this is about all versions", name.plain());
  return name;
}

Result<Version> check_version(const Json& document) {
  const std::string label = printable(document.text_or("dataset", "?"));
  Version version{.document = document,
                  .name = {},
                  .digest = {},
                  .manifest = {},
                  .card = {},
                  .card_payload = {}};
  COFFER_TRY(version.name, program::DatasetName::parse(label));
  if (document.bool_or("removed", false)) {
    return refused("version_removed", label + " was removed by its owner",
                   "coffer data show " + version.name.plain());
  }
  COFFER_TRY(const grant::Envelope envelope, envelope_of(document["manifest_envelope"]));
  COFFER_TRY(version.manifest, grant::open<grant::Manifest>(envelope));
  version.digest = envelope.digest();
  if (!grant::signed_by(envelope, version.manifest.owner_key)) {
    return untrue(label, "the manifest's signature");
  }
  if (version.manifest.name != version.name.plain() || !version.name.version ||
      version.manifest.version != *version.name.version) {
    return untrue(label, "the manifest's name");
  }
  COFFER_CHECK(add_card(version, label));
  return version;
}

Result<Version> fetch_version(Session& session, const program::DatasetName& name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Json document, server->get(version_target(name)));
  COFFER_TRY(Version version, check_version(document));
  if (version.name.plain() != name.plain() ||
      (name.version && version.name.version != name.version)) {
    return untrue(name.text(), "its name");
  }
  return version;
}

}  // namespace coffer::cli
