// Uploads in the shape of tus 1.0: begin, ask how far, append, give up.

#include "api/routes.h"
#include "front/uploads.h"

namespace coffer::api {
namespace {

net::Response with_offset(int status, const Json& upload) {
  auto response = net::Response::empty(status);
  response.headers.add("Tus-Resumable", "1.0.0").add("Cache-Control", "no-store");
  response.headers.add("Upload-Offset", upload["offset"].canonical());
  return response;
}

Result<Json> upload_new(Call& call) {
  return front::create_upload(call.site(), call.caller, call.header_number("Upload-Length", 0));
}

Result<net::Response> upload_offset(Call& call) {
  COFFER_TRY(const Json upload, front::show_upload(call.site(), call.caller, call.at("upload")));
  auto response = with_offset(200, upload);
  response.headers.add("Upload-Length", upload["length"].canonical());
  return response;
}

// What arrived of a piece that was cut off counts too: the client asks how far it came.
Result<net::IntoFile> append_into(Call& call) {
  auto& site = call.site();
  const std::string& id = call.at("upload");
  COFFER_TRY(auto end,
             front::open_upload_end(site, call.caller, id, call.header_number("Upload-Offset", 0)));
  return net::IntoFile{.fd = std::move(end.fd),
                       .offset = end.offset,
                       .bytes_max = end.bytes_max,
                       .on_cut = [&site, id, caller = call.caller](std::uint64_t) {
                         (void)front::appended_to_upload(site, caller, id).has_value();
                       }};
}

Result<net::Response> appended(Call& call) {
  COFFER_TRY(const Json upload,
             front::appended_to_upload(call.site(), call.caller, call.at("upload")));
  return with_offset(204, upload);
}

Result<net::Response> upload_drop(Call& call) {
  COFFER_CHECK(front::drop_upload(call.site(), call.caller, call.at("upload")));
  return net::Response::empty(204);
}

constexpr Route kRoutes[] = {
    {"POST", "/v1/uploads", "uploadNew", Document{upload_new}, Access::Token, "/v1/uploads/"},
    {"HEAD", "/v1/uploads/{upload}", "uploadOffset", Whole{upload_offset}},
    {"PATCH", "/v1/uploads/{upload}", "uploadAppend", Receive{append_into, appended}},
    {"DELETE", "/v1/uploads/{upload}", "uploadDrop", Whole{upload_drop}},
};

}  // namespace

std::span<const Route> upload_routes() { return kRoutes; }

}  // namespace coffer::api
