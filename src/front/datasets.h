// Datasets, their versions, cards and limits, as far as the front may know them: ciphertext, what
// owners signed, what cards publish.
//
// Invariants: a version exists once its list and all its chunks are stored and the keeper signed
// its manifest. What a caller may not see answers NotFound.
// Errors: NotFound, Denied (not_owner), FailedPrecondition (chunk_missing), the keeper's refusals.
// Thread-safety: the loop thread. Source: protocol.md section 3.
#pragma once

#include "base/unique_fd.h"
#include "front/runs.h"

namespace coffer::front {

Result<Json> missing_chunks(Site& site, const Caller& caller, const std::string& dataset_id,
                            const Json& body);
Result<Json> add_pack(Site& site, const Caller& caller, const std::string& dataset_id,
                      const std::string& upload);
struct VersionPost {
  std::string envelope;
  std::string chunk_list;  // upload
  std::string keeper_key;  // base64, empty when public
  std::string owner_keys;  // base64, empty when public
  std::string public_key;  // base64, exactly when public
  std::string proposal;    // upload, or empty
  std::string note;
};
Result<Json> add_version(Site& site, const Caller& caller, const std::string& name,
                         const VersionPost& post);
Result<Json> remove_version(Site& site, const Caller& caller, const std::string& name,
                            std::int64_t version, std::string_view envelope);
Result<Json> set_card(Site& site, const Caller& caller, const std::string& name,
                      std::string_view envelope);
Result<Json> set_limit(Site& site, const Caller& caller, const std::string& name,
                       std::string_view envelope);
Result<Json> patch_dataset(Site& site, const Caller& caller, const std::string& name,
                           const Json& body);

Result<Json> list_datasets(Site& site, const Caller& caller, const std::string& query,
                           const Page& page);
Result<Json> show_dataset(Site& site, const Caller& caller, const std::string& name);
// `version` 0: the newest.
Result<Json> show_version(Site& site, const Caller& caller, const std::string& name,
                          std::int64_t version);
Result<Json> show_owner_view(Site& site, const Caller& caller, const std::string& name,
                             std::int64_t version);
Result<UniqueFd> open_chunk_list(Site& site, const Caller& caller, const std::string& name,
                                 std::int64_t version);
Result<ByteVector> read_chunk(Site& site, const Caller& caller, const std::string& dataset_id,
                              const std::string& chunk);

// ---- For the front's other files ---------------------------------------------------------------

struct DatasetRow {
  std::string id, name, owner, owner_key, data_class, card, visible, readme;
  bool is_public{false};
  std::int64_t grade{0}, card_sequence{0}, limit_sequence{0};
  std::string limit_envelope;
};
// A dataset that the caller may see.
Result<DatasetRow> find_dataset(Site& site, const Caller& caller, const std::string& name);
// What a limit counts of an amount.
Json limited_json(const program::Cost& amount);
// Chunks of adds that were given up more than a day ago.
Result<> collect_unused(Site& site);

}  // namespace coffer::front
