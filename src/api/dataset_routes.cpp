// Datasets: chunks, versions, cards, limits.

#include <sys/stat.h>

#include "api/routes.h"
#include "front/datasets.h"

namespace coffer::api {
namespace {

std::string dataset_of(const Call& call) { return call.at("org") + "/" + call.at("name"); }

// 0 for `latest`.
Result<std::int64_t> version_of(const Call& call) {
  const std::string& text = call.at("version");
  if (text == "latest") return std::int64_t{0};
  const auto number = Json{Json::Number{text}}.as_int();
  const bool plain = text.find_first_not_of("0123456789") == std::string::npos && text.size() <= 9;
  if (!plain || !number || *number < 1)
    return front::bad_field("version", "must be a number, or latest");
  return *number;
}

Result<net::Response> stored_file(const Call& call, UniqueFd fd) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Error{Code::Unavailable, "the file cannot be read"};
  return net::file_response(call.head, std::move(fd), static_cast<std::uint64_t>(info.st_size),
                            "application/octet-stream");
}

Result<Json> chunks_missing(Call& call) {
  return front::missing_chunks(call.site(), call.caller, call.at("dataset_id"), call.body);
}

Result<Json> pack_add(Call& call) {
  return front::add_pack(call.site(), call.caller, call.at("dataset_id"), call.text("upload"));
}

Result<net::Response> chunk(Call& call) {
  COFFER_TRY(const auto bytes,
             front::read_chunk(call.site(), call.caller, call.at("dataset_id"), call.at("chunk")));
  return net::Response::text(200, std::string(text_of(bytes)), "application/octet-stream");
}

Result<Json> datasets(Call& call) {
  return front::list_datasets(call.site(), call.caller, call.query("q"), call.page());
}

Result<Json> dataset(Call& call) {
  return front::show_dataset(call.site(), call.caller, dataset_of(call));
}

Result<Json> dataset_set(Call& call) {
  return front::patch_dataset(call.site(), call.caller, dataset_of(call), call.body);
}

Result<Json> version_add(Call& call) {
  return front::add_version(call.site(), call.caller, dataset_of(call),
                            {.envelope = call.envelope(),
                             .chunk_list = call.text("chunk_list"),
                             .keeper_key = call.text("keeper_key"),
                             .owner_keys = call.text("owner_keys"),
                             .public_key = call.text("public_key"),
                             .proposal = call.text("proposal"),
                             .note = call.text("note")});
}

Result<Json> version_info(Call& call) {
  COFFER_TRY(const auto version, version_of(call));
  return front::show_version(call.site(), call.caller, dataset_of(call), version);
}

Result<Json> version_owner(Call& call) {
  COFFER_TRY(const auto version, version_of(call));
  return front::show_owner_view(call.site(), call.caller, dataset_of(call), version);
}

Result<net::Response> chunk_list(Call& call) {
  COFFER_TRY(const auto version, version_of(call));
  COFFER_TRY(auto fd, front::open_chunk_list(call.site(), call.caller, dataset_of(call), version));
  return stored_file(call, std::move(fd));
}

Result<Json> version_remove(Call& call) {
  COFFER_TRY(const auto version, version_of(call));
  return front::remove_version(call.site(), call.caller, dataset_of(call), version,
                               call.envelope());
}

Result<Json> card_set(Call& call) {
  return front::set_card(call.site(), call.caller, dataset_of(call), call.envelope());
}

Result<Json> limit_set(Call& call) {
  return front::set_limit(call.site(), call.caller, dataset_of(call), call.envelope());
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/vault/{dataset_id}/missing", "chunksMissing", Document{chunks_missing}},
    {"POST", "/v1/vault/{dataset_id}/packs", "packAdd", Document{pack_add}},
    {"GET", "/v1/vault/{dataset_id}/chunks/{chunk}", "chunk", Whole{chunk}},
    {"GET", "/v1/datasets", "datasets", Document{datasets}},
    {"GET", "/v1/datasets/{org}/{name}", "dataset", Document{dataset}},
    {"PATCH", "/v1/datasets/{org}/{name}", "datasetSet", Document{dataset_set}},
    {"POST", "/v1/datasets/{org}/{name}/versions", "versionAdd", Document{version_add}},
    {"GET", "/v1/datasets/{org}/{name}/versions/{version}", "versionInfo", Document{version_info}},
    {"GET", "/v1/datasets/{org}/{name}/versions/{version}/owner", "versionOwner",
     Document{version_owner}},
    {"GET", "/v1/datasets/{org}/{name}/versions/{version}/chunk-list", "chunkList",
     Whole{chunk_list}},
    {"POST", "/v1/datasets/{org}/{name}/versions/{version}/removal", "versionRemove",
     Document{version_remove}},
    {"POST", "/v1/datasets/{org}/{name}/card", "cardSet", Document{card_set}},
    {"POST", "/v1/datasets/{org}/{name}/limit", "limitSet", Document{limit_set}},
};

}  // namespace

std::span<const Route> dataset_routes() { return kRoutes; }

}  // namespace coffer::api
