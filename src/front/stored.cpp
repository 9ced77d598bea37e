#include "front/stored.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "grant/objects.h"
#include "ledger/entry.h"
#include "os/files.h"
#include "vault/store.h"

namespace coffer::front {
namespace {

// Fields of private entries that name a signed object.
constexpr std::array kObjectFields{"key",   "manifest",   "card", "limit",
                                   "grant", "revocation", "run",  "approval"};

Result<std::string> hex_of(const std::string& digest) {
  COFFER_TRY(const Digest parsed, Digest::parse(digest));
  return hex(parsed.bytes);
}

struct NamedVersion {
  std::string dataset;
  std::string list;  // hex
  bool is_public;
};

Result<> name_version(Site& site, const NamedVersion& version, std::vector<std::string>& out) {
  const std::string folder = "vault/" + version.dataset;
  out.push_back(folder + "/lists/" + version.list);
  if (version.is_public) out.push_back(folder + "/public/" + version.list);
  auto file = open_directory(site.data);
  if (!file) return std::move(file).error();
  const auto opened = open_regular_beneath(file->get(), folder + "/lists/" + version.list);
  if (!opened) return {};
  COFFER_TRY(const auto chunks, vault::list_chunk_names(opened->get()));
  for (const auto& chunk : chunks) {
    const std::string name = hex(chunk.bytes);
    out.push_back(fmt::format("{}/chunks/{}/{}", folder, name.substr(0, 2), name));
  }
  return {};
}

Result<> name_vault(Site& site, std::vector<std::string>& out) {
  COFFER_TRY(const auto rows,
             site.db.rows("SELECT v.dataset, v.list, d.public FROM versions v JOIN datasets d ON"
                          " d.id = v.dataset WHERE v.removed IS NULL"));
  for (const auto& row : rows) {
    COFFER_TRY(std::string list, hex_of(row.text(1)));
    COFFER_CHECK(name_version(site, {row.text(0), std::move(list), row.integer(2) != 0}, out));
  }
  return {};
}

// A version whose manifest the keeper was asked to add is one as soon as it is asked again.
Result<> name_pending(Site& site, std::vector<std::string>& out) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT op FROM pending"));
  for (const auto& row : rows) {
    COFFER_TRY(const auto operation, keeper::decode_request(row.blob(0)));
    const auto* added = std::get_if<keeper::AddManifest>(&operation);
    if (added == nullptr) continue;
    COFFER_TRY(const auto envelope, grant::parse_envelope(added->envelope));
    COFFER_TRY(const auto manifest, grant::open<grant::Manifest>(envelope));
    COFFER_CHECK(name_version(
        site, {manifest.dataset_id, hex(manifest.chunk_list.bytes), manifest.is_public}, out));
  }
  return {};
}

Result<> name_by_digest(Site& site, const char* sql, const char* pattern,
                        std::vector<std::string>& out) {
  COFFER_TRY(const auto rows, site.db.rows(sql));
  for (const auto& row : rows) {
    COFFER_TRY(const std::string name, hex_of(row.text(0)));
    out.push_back(fmt::format(fmt::runtime(pattern), name));
  }
  return {};
}

Result<> name_outputs(Site& site, std::vector<std::string>& out) {
  COFFER_TRY(const auto rows, site.db.rows("SELECT run, name FROM outputs WHERE commitment <> ''"));
  for (const auto& row : rows) {
    COFFER_TRY(const std::string run, hex_of(row.text(0)));
    out.push_back(fmt::format("runs/{}/{}.sealed", run, row.text(1)));
    out.push_back(fmt::format("runs/{}/evidence/{}.sealed", run, row.text(1)));
  }
  return {};
}

// The digests of signed objects that one entry's private fields name.
Result<> collect(const db::Row& row, std::set<std::string>& objects) {
  ledger::Opening opening{row.blob(1), {}, row.blob(2)};
  const auto& nonce = row.blob(3);
  if (nonce.size() != sizeof(ledger::Nonce)) return {};
  std::copy(nonce.begin(), nonce.end(), opening.nonce.emplace().begin());
  auto fields = opening.private_fields();
  if (!fields) return std::move(fields).error().in(fmt::format("entry {}", row.integer(0)));
  for (const char* field : kObjectFields) {
    const auto digest = fields->text_or(field, "");
    if (!digest.empty()) objects.insert(digest);
  }
  return {};
}

Result<> check_object(const std::set<std::string>& objects, const std::string& what,
                      const std::string& envelope) {
  auto parsed = grant::parse_envelope(envelope);
  if (parsed && objects.contains(parsed->digest().text())) return {};
  return Error{Code::Corrupt, fmt::format("{} of the database stands in no entry of the ledger",
                                          printable(what, 100))};
}

// Each statement answers what the object is called, and its envelope.
constexpr std::array kObjects{
    "SELECT 'the key of ' || name, key_envelope FROM users WHERE key_envelope <> ''",
    "SELECT 'the manifest of ' || dataset || '@v' || n, envelope FROM versions",
    "SELECT 'the card of ' || name, card FROM datasets WHERE card <> ''",
    "SELECT 'the limit of ' || name, limit_envelope FROM datasets WHERE limit_envelope <> ''",
    "SELECT id, envelope FROM grants",
    "SELECT id, envelope FROM runs WHERE ledger_first IS NOT "
    "NULL",
    "SELECT 'an approval of ' || run, envelope FROM approvals"};

}  // namespace

Result<std::vector<std::string>> named_paths(Site& site) {
  std::vector<std::string> out;
  COFFER_CHECK(name_vault(site, out));
  COFFER_CHECK(name_pending(site, out));
  COFFER_CHECK(name_by_digest(site, "SELECT digest FROM programs", "programs/{}", out));
  COFFER_CHECK(
      name_by_digest(site, "SELECT digest FROM environment_digests", "env/{}/env.tar.zst", out));
  COFFER_CHECK(name_outputs(site, out));
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<SignedCounts> check_signed(Site& site) {
  SignedCounts counts;
  std::set<std::string> objects;
  COFFER_CHECK(site.db.each("SELECT idx, public, private, nonce, leaf FROM entries ORDER BY idx",
                            {}, [&](const db::Row& row) -> Result<> {
                              counts.entries += 1;
                              if (row.is_null(4)) return collect(row, objects);
                              counts.lost += 1;
                              return {};
                            }));
  if (counts.lost > 0) return counts;  // what the lost entries had named cannot be told
  for (const char* sql : kObjects) {
    COFFER_CHECK(site.db.each(sql, {}, [&](const db::Row& row) {
      counts.objects += 1;
      return check_object(objects, row.text(0), row.text(1));
    }));
  }
  return counts;
}

}  // namespace coffer::front
