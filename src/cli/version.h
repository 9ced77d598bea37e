// A dataset version as the server shows it, checked against its owner's signatures.
//
// Invariants: the manifest is signed by the owner key that it names; the card, if there is one, is
// signed by the same key and is about this dataset. What does not fit is refused, not shown.
// Errors: NotFound and others of the server; Corrupt (a signature or digest that does not fit).
// Thread-safety: as plain values. Source: protocol.md section 3.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "cli/session.h"
#include "grant/objects.h"
#include "program/names.h"

namespace coffer::cli {

struct Version {
  Json document;              // as the server sent it
  program::DatasetName name;  // with its number
  Digest digest;              // of the manifest
  grant::Manifest manifest;
  std::optional<grant::Card> card;
  Json card_payload;  // null without a card
};

// Checks what GET /v1/datasets/{org}/{name}/versions/{n} answered.
Result<Version> check_version(const Json& document);
// The version named, or the newest.
Result<Version> fetch_version(Session& session, const program::DatasetName& name);

std::string version_target(const program::DatasetName& name);  // "/v1/datasets/o/n/versions/3"
std::string dataset_target(const program::DatasetName& name);  // "/v1/datasets/o/n"

// A name as the command line has it. Errors: exit 2.
Result<program::DatasetName> dataset_argument(std::string_view text);
// The same without a version.
Result<program::DatasetName> plain_dataset_argument(std::string_view text);

}  // namespace coffer::cli
