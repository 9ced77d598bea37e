// coffer data add: encrypts here, sends what the server has not, signs the manifest.
#include <unistd.h>

#include <map>

#include "cli/data.h"
#include "cli/files.h"
#include "cli/problem.h"
#include "cli/version.h"
#include "scan/scanner.h"
#include "vault/add.h"
#include "vault/journal.h"
#include "vault/pack.h"

namespace coffer::cli {
namespace {

constexpr std::size_t kNamesPerQuestion = 16384;
constexpr std::size_t kTreeLines = 40;

// Feeds the scan while files stream by, and says how far it is.
class Watcher final : public vault::AddObserver {
 public:
  Watcher(Session& session, std::string title)
      : progress_(session.terminal(), session.clock(), std::move(title)) {}
  Result<> begin(const std::string& path, std::uint64_t) override {
    scanner_.begin(path);
    return {};
  }
  Result<> bytes(ByteView bytes) override {
    scanner_.bytes(bytes);
    done_ += bytes.size();
    progress_.bytes(done_, 0);
    return {};
  }
  Result<> end() override {
    scanner_.end();
    return {};
  }
  scan::Proposal take() && { return std::move(scanner_).take(); }

 private:
  scan::Scanner scanner_;
  ProgressLine progress_;
  std::uint64_t done_{0};
};

// The version before, opened with the owner's own keys.
struct Parent {
  Version version;
  UniqueFd list;
  vault::OwnerKeys keys;
};

Result<vault::OwnerKeys> parent_keys(Session& session, Server& server, const Version& version) {
  const vault::KeyScope scope{version.manifest.dataset_id, version.manifest.owner_key,
                              version.digest};
  COFFER_TRY(const Json view, server.get(version_target(version.name) + "/owner"));
  COFFER_TRY(const ByteVector sealed, parse_base64(view.text_or("owner_keys", "")));
  COFFER_TRY(const KeyPair* keys, session.keys());
  auto opened = vault::open_owner_keys(keys->seal, sealed, scope);
  if (opened) return opened;
  COFFER_TRY(const auto former, session.former_keys());
  for (const auto& one : former) {
    if (auto older = vault::open_owner_keys(one.seal, sealed, scope)) return older;
  }
  return std::move(opened).error();
}

// Public: the version key is published, and the dataset key lies in the list.
Result<vault::OwnerKeys> public_keys(const Version& version, int list) {
  COFFER_TRY(const auto bytes, parse_key32(version.document.text_or("public_key", "")));
  COFFER_TRY(Key version_key, key_from(bytes));
  UniqueFd copy{::dup(list)};
  if (!copy || ::lseek(copy.get(), 0, SEEK_SET) < 0) {
    return Error{Code::Unavailable, "cannot read the chunk list"};
  }
  COFFER_TRY(const auto reader, vault::ListReader::open(std::move(copy), version_key));
  return vault::OwnerKeys{vault::copy_of(reader.dataset_key()), std::move(version_key)};
}

Result<std::optional<Parent>> find_parent(Session& session, const program::DatasetName& name) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const Places places, session.places());
  auto version = fetch_version(session, name);
  if (!version && version.error().code == Code::NotFound) return std::optional<Parent>{};
  if (!version) return std::move(version).error();
  COFFER_TRY(UniqueFd list, scratch_file(places.data / "scratch"));
  COFFER_CHECK(server->download(version_target(version->name) + "/chunk-list", list.get()));
  auto keys = version->manifest.is_public ? public_keys(*version, list.get())
                                          : parent_keys(session, *server, *version);
  if (!keys) return std::move(keys).error();
  if (::lseek(list.get(), 0, SEEK_SET) < 0) return Error{Code::Unavailable, "cannot seek"};
  return std::optional<Parent>{Parent{*std::move(version), std::move(list), *std::move(keys)}};
}

// The last version of the dataset, which may be removed: the next one follows it.
struct Last {
  std::string dataset_id;
  std::int64_t version{0};
  Digest manifest;
};

Result<std::optional<Last>> find_last(Server& server, const program::DatasetName& name) {
  auto dataset = server.get(dataset_target(name));
  if (!dataset && dataset.error().code == Code::NotFound) return std::optional<Last>{};
  if (!dataset) return std::move(dataset).error();
  std::optional<Last> last;
  const auto* versions = (*dataset)["versions"].as_array();
  if (versions == nullptr) return last;
  for (const auto& one : *versions) {
    const std::int64_t number = one.int_or("version", 0);
    if (last && last->version >= number) continue;
    COFFER_TRY(const Digest manifest, Digest::parse(one.text_or("manifest", "")));
    last = Last{dataset->text_or("dataset_id", ""), number, manifest};
  }
  return last;
}

Result<vault::Journal> open_journal(Session& session, const program::DatasetName& name,
                                    const std::optional<Last>& last,
                                    const std::optional<Parent>& parent) {
  COFFER_TRY(const Places places, session.places());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const KeyPair* keys, session.keys());
  const auto path = places.journal_file(*profile, name.plain());
  COFFER_CHECK(make_directory(path.parent_path(), Access::Private));
  auto journal = vault::Journal::open(path, keys->seal);
  if (journal) {
    const bool same = (!last || journal->dataset_id() == last->dataset_id) &&
                      (!parent || journal->dataset_key() == parent->keys.dataset_key);
    if (same) {
      session.terminal().note("going on with an add that was interrupted: " +
                              counted(journal->known().size(), "chunk") + " are there");
      return journal;
    }
  } else if (journal.error().code == Code::Unavailable) {
    return std::move(journal).error();  // another add of this dataset is running
  }
  // Of another key or another dataset: everything it knows is sent again.
  (void)::unlink(path.c_str());
  if (parent) {
    return vault::Journal::create(
        path, {parent->version.manifest.dataset_id, vault::copy_of(parent->keys.dataset_key)},
        keys->seal.public_key());
  }
  return vault::Journal::create(path,
                                {last ? last->dataset_id : grant::make_dataset_id(), random_key()},
                                keys->seal.public_key());
}

// The server may have collected chunks since they were acknowledged.
Result<> forget_missing(Server& server, vault::Journal& journal) {
  const auto names = journal.known().names();
  const std::string where = target({"v1", "vault", journal.dataset_id(), "missing"});
  for (std::size_t at = 0; at == 0 || at < names.size(); at += kNamesPerQuestion) {
    Json chunks = Json::array();
    for (std::size_t i = at; i < names.size() && i < at + kNamesPerQuestion; ++i) {
      chunks.push(hex(names[i].bytes));
    }
    COFFER_TRY(const Json answer, server.post(where, Json::object({{"chunks", chunks}})));
    const auto* missing = answer["missing"].as_array();
    if (missing == nullptr) continue;
    for (const auto& item : *missing) {
      const auto* text = item.as_string();
      if (text == nullptr) continue;
      COFFER_TRY(const ByteVector bytes, parse_hex(*text));
      COFFER_TRY(const Digest digest, Digest::from_bytes(bytes));
      journal.known().forget_name(digest);
    }
  }
  return {};
}

Result<> send_pack(Server& server, vault::Journal& journal, const vault::Pack& pack) {
  COFFER_TRY(std::string upload, server.upload_bytes(text_of(pack.bytes)));
  COFFER_TRY([[maybe_unused]] const Json stored,
             server.post(target({"v1", "vault", journal.dataset_id(), "packs"}),
                         Json::object({{"upload", std::move(upload)}})));
  return journal.acknowledge(pack.chunks);
}

grant::Manifest manifest_of(const DataAddOptions& options, const program::DatasetName& name,
                            const std::optional<Last>& last, const vault::Added& added) {
  grant::Manifest manifest;
  manifest.name = name.plain();
  manifest.is_public = options.is_public;
  manifest.content = added.summary.content;
  manifest.chunk_list = added.summary.list;
  manifest.files = added.summary.files;
  manifest.bytes = added.summary.bytes;
  if (last) {
    manifest.version = static_cast<std::uint64_t>(last->version) + 1;
    manifest.parent = last->manifest;
  }
  return manifest;
}

// What is posted with the signed manifest: the keys, each sealed to whom it is for.
Result<Json> version_body(Session& session, const grant::Manifest& manifest,
                          const vault::Added& added, const Key& dataset_key) {
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Profile* profile, session.profile());
  const grant::Envelope envelope = grant::sign(manifest, keys->sign);
  Json body = Json::object({{"envelope", envelope_json(envelope)},
                            {"keeper_key", nullptr},
                            {"owner_keys", nullptr},
                            {"public_key", nullptr},
                            {"proposal", nullptr}});
  if (manifest.is_public) {
    body.set("public_key", base64(added.version_key.expose()));
    return body;
  }
  const vault::KeyScope scope{manifest.dataset_id, manifest.owner_key, envelope.digest()};
  COFFER_TRY(const ByteVector keeper,
             vault::seal_version_key(profile->keeper.seal_key, added.version_key, scope));
  const vault::OwnerKeys mine{vault::copy_of(dataset_key), vault::copy_of(added.version_key)};
  COFFER_TRY(const ByteVector owner, vault::seal_owner_keys(keys->seal.public_key(), mine, scope));
  body.set("keeper_key", base64(keeper));
  body.set("owner_keys", base64(owner));
  return body;
}

Result<std::string> send_proposal(Session& session, Server& server,
                                  const scan::Proposal& proposal) {
  COFFER_TRY(const KeyPair* keys, session.keys());
  const std::string text = scan::to_json(proposal).canonical();
  COFFER_TRY(const ByteVector sealed, seal_to(keys->seal.public_key(), bytes_of(text)));
  return server.upload_bytes(text_of(sealed));
}

// The tree as programs will see it, from the list just written.
Result<std::string> render_tree(int list, const Key& version_key, std::uint64_t files) {
  UniqueFd copy{::dup(list)};
  if (!copy || ::lseek(copy.get(), 0, SEEK_SET) < 0) {
    return Error{Code::Unavailable, "cannot read the chunk list"};
  }
  COFFER_TRY(auto reader, vault::ListReader::open(std::move(copy), version_key));
  std::vector<Cells> rows;
  for (;;) {
    COFFER_TRY(const auto entry, reader.next());
    if (!entry || rows.size() == kTreeLines) break;
    rows.push_back({"/data/ALIAS/" + printable(entry->path, 400), render_size(entry->size)});
  }
  std::string text = render_table({"PROGRAMS WILL SEE", ">SIZE"}, rows);
  if (files > rows.size()) text += "and " + counted(files - rows.size(), "more file") + "\n";
  return text;
}

Result<> ask_removal(Session& session, const DataAddOptions& options, const vault::AddPlan& plan,
                     const std::optional<Parent>& parent) {
  if (!parent || options.replace || options.append) return {};
  const vault::ParentVersion before{parent->list.get(), parent->keys.version_key};
  COFFER_TRY(const vault::Diff diff, vault::preview(plan, before));
  if (diff.removed == 0) return {};
  COFFER_TRY(const bool yes,
             session.terminal().ask(diff.text() + ": the new version will not have " +
                                        counted(diff.removed, "file") + " of " +
                                        parent->version.name.text() + ". Go on?",
                                    "--replace, or --append to keep them"));
  if (!yes) return refused("declined", "nothing was added");
  return {};
}

struct Outcome {
  Json answer;
  vault::Diff diff;
  std::string tree;
  grant::Manifest manifest;
};

Result<Outcome> add_version(Session& session, const DataAddOptions& options,
                            const program::DatasetName& name, std::optional<Parent> parent) {
  COFFER_TRY(Server * server, session.server());
  COFFER_TRY(const KeyPair* keys, session.keys());
  COFFER_TRY(const Profile* profile, session.profile());
  COFFER_TRY(const Places places, session.places());
  const vault::AddPlan plan{
      options.paths, options.append ? vault::Mode::Append : vault::Mode::Replace,
      options.is_public ? vault::Visibility::Public : vault::Visibility::Protected};
  COFFER_CHECK(ask_removal(session, options, plan, parent));
  COFFER_TRY(const std::optional<Last> last, find_last(*server, name));
  COFFER_TRY(vault::Journal journal, open_journal(session, name, last, parent));
  COFFER_CHECK(forget_missing(*server, journal));
  COFFER_TRY(const UniqueFd list, scratch_file(places.data / "scratch"));
  Watcher watcher{session, "adding " + name.plain()};
  vault::PackWriter packs{
      [&](const vault::Pack& pack) { return send_pack(*server, journal, pack); }};
  std::optional<vault::ParentVersion> before;
  if (parent) before.emplace(vault::ParentVersion{parent->list.get(), parent->keys.version_key});
  const vault::AddWork work{
      journal.dataset_key(), std::move(before), journal.known(), packs, watcher, list.get()};
  COFFER_TRY(const vault::Added added, vault::add(plan, work));
  COFFER_CHECK(packs.flush());

  grant::Manifest manifest = manifest_of(options, name, last, added);
  manifest.dataset_id = journal.dataset_id();
  manifest.owner_key = keys->sign.public_key();
  manifest.owner_seal_key = keys->seal.public_key();
  manifest.ledger_vkey = profile->keeper.ledger_vkey;
  manifest.issued = session.now();
  COFFER_TRY(Json body, version_body(session, manifest, added, journal.dataset_key()));
  COFFER_TRY(std::string list_upload, server->upload(list.get()));
  body.set("chunk_list", std::move(list_upload)).set("note", options.note);
  if (!options.is_public) {
    COFFER_TRY(std::string proposal, send_proposal(session, *server, std::move(watcher).take()));
    body.set("proposal", std::move(proposal));
  }
  COFFER_TRY(Json answer, server->post(dataset_target(name) + "/versions", body));
  (void)::unlink(places.journal_file(*profile, name.plain()).c_str());
  COFFER_TRY(std::string tree, render_tree(list.get(), added.version_key, added.summary.files));
  return Outcome{std::move(answer), added.diff, std::move(tree), std::move(manifest)};
}

Json diff_json(const vault::Diff& diff) {
  return Json::object({{"added", diff.added},
                       {"removed", diff.removed},
                       {"changed", diff.changed},
                       {"unchanged", diff.unchanged}});
}

}  // namespace

Result<int> data_add(Session& session, const DataAddOptions& options) {
  COFFER_TRY(const program::DatasetName name, plain_dataset_argument(options.name));
  if (options.append && options.replace) {
    return usage_error("--append keeps files, --replace removes them: choose one");
  }
  COFFER_TRY(std::optional<Parent> parent, find_parent(session, name));
  if (parent && parent->version.manifest.is_public != options.is_public) {
    return refused(
        "public_dataset",
        name.plain() + (options.is_public ? " is protected" : " is public") + " and stays so",
        options.is_public ? "leave out --public" : "add --public");
  }
  const bool first = !parent;
  COFFER_TRY(const Outcome outcome, add_version(session, options, name, std::move(parent)));
  Json document = outcome.answer;
  document.set("files", outcome.manifest.files).set("bytes", outcome.manifest.bytes);
  document.set("diff", diff_json(outcome.diff));
  session.print(document, [&] {
    std::string text = outcome.tree;
    text += printable(outcome.answer.text_or("dataset", "")) + "  " +
            counted(outcome.manifest.files, "file") + ", " + render_size(outcome.manifest.bytes) +
            (first ? "" : "  (" + outcome.diff.text() + ")") + "\n";
    if (!options.is_public) {
      text += "next: coffer data scan " + name.plain() + " -o columns.csv\n";
    }
    return text;
  });
  return kExitDone;
}

}  // namespace coffer::cli
