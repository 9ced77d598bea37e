#include "grant/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/json.h"

namespace coffer::grant {
namespace {

constexpr std::array<std::string_view, 9> kKindNames = {
    "key", "removal", "manifest", "card", "limit", "grant", "revocation", "run", "approval"};
constexpr std::string_view kTypePrefix = "application/vnd.cofferdam.";
constexpr std::string_view kTypeSuffix = ".v1+json";

Result<EnvelopeSignature> read_signature(const Json& json) {
  StrictReader in{json, "envelope: signatures"};
  EnvelopeSignature out;
  out.key_id = in.text("keyid");
  const auto bytes = parse_base64(in.text("sig"));
  if (bytes && bytes->size() == out.signature.size()) {
    std::copy(bytes->begin(), bytes->end(), out.signature.begin());
  } else {
    in.refuse("sig", "must be base64 of 64 bytes");
  }
  COFFER_CHECK(in.finish());
  return out;
}

}  // namespace

std::string_view kind_name(Kind kind) { return kKindNames.at(static_cast<std::size_t>(kind)); }

std::string payload_type(Kind kind) {
  return fmt::format("{}{}{}", kTypePrefix, kind_name(kind), kTypeSuffix);
}

std::optional<Kind> kind_of(std::string_view type) {
  for (std::size_t i = 0; i < kKindNames.size(); ++i) {
    if (payload_type(static_cast<Kind>(i)) == type) return static_cast<Kind>(i);
  }
  return {};
}

std::string pae(std::string_view type, std::string_view body) {
  return fmt::format("DSSEv1 {} {} {} {}", type.size(), type, body.size(), body);
}

std::string key_id(const SignPublic& key) { return sha256(ByteView{key}).text(); }

Result<Envelope> parse_envelope(std::string_view json) {
  // base64 of the largest payload, and room for the signatures.
  if (json.size() > kPayloadMax / 3 * 4 + 65536) {
    return Error{Code::InvalidArgument, fmt::format("envelope: above {} bytes", kPayloadMax)};
  }
  auto parsed = Json::parse(json);
  if (!parsed) return std::move(parsed).error().in("envelope");
  StrictReader in{*parsed, "envelope"};
  Envelope out;
  if (const auto kind = kind_of(in.text("payloadType"))) {
    out.kind = *kind;
  } else {
    in.refuse("payloadType", "is no type of ours");
  }
  if (const auto payload = parse_base64(in.text("payload"))) {
    out.payload = std::string(text_of(*payload));
  } else {
    in.refuse("payload", "must be base64");
  }
  if (out.payload.size() > kPayloadMax) in.refuse("payload", "is too long");
  const auto* signatures = in.any("signatures").as_array();
  if (signatures == nullptr || signatures->empty() || signatures->size() > kSignaturesMax) {
    in.refuse("signatures", fmt::format("must be a list of 1 to {}", kSignaturesMax));
  }
  COFFER_CHECK(in.finish());
  for (const Json& item : *signatures) {
    COFFER_TRY(auto signature, read_signature(item));
    out.signatures.push_back(std::move(signature));
  }
  return out;
}

std::string render(const Envelope& envelope) {
  Json signatures = Json::array();
  for (const auto& one : envelope.signatures) {
    signatures.push(Json::object({{"keyid", one.key_id}, {"sig", base64(one.signature)}}));
  }
  return Json::object({{"payload", base64(bytes_of(envelope.payload))},
                       {"payloadType", payload_type(envelope.kind)},
                       {"signatures", std::move(signatures)}})
      .canonical();
}

Envelope sign(Kind kind, std::string payload, const SignKey& key) {
  return countersign({kind, std::move(payload), {}}, key);
}

Envelope countersign(Envelope envelope, const SignKey& key) {
  if (signed_by(envelope, key.public_key())) return envelope;
  const auto message = pae(payload_type(envelope.kind), envelope.payload);
  envelope.signatures.push_back({key_id(key.public_key()), key.sign(bytes_of(message))});
  return envelope;
}

bool signed_by(const Envelope& envelope, const SignPublic& key) {
  const auto message = pae(payload_type(envelope.kind), envelope.payload);
  return std::any_of(envelope.signatures.begin(), envelope.signatures.end(), [&](const auto& one) {
    return verify(key, bytes_of(message), one.signature);
  });
}

std::size_t count_signers(const Envelope& envelope, std::span<const SignPublic> keys) {
  const std::set<SignPublic> distinct(keys.begin(), keys.end());
  return static_cast<std::size_t>(
      std::count_if(distinct.begin(), distinct.end(),
                    [&](const SignPublic& key) { return signed_by(envelope, key); }));
}

Result<> require_signature(const Envelope& envelope, const SignPublic& key) {
  if (signed_by(envelope, key)) return {};
  return Error{Code::Denied,
               fmt::format("{}: not signed by {}", kind_name(envelope.kind), key_id(key))};
}

}  // namespace coffer::grant
