#include "vault/reader.h"

#include <algorithm>
#include <optional>

#include "vault/detail/digest_beside.h"
#include "vault/store.h"

namespace coffer::vault {

Result<Reader> Reader::open(Version version, ChunkSource& chunks) {
  COFFER_TRY(ListReader list, ListReader::open(std::move(version.list), version.key));
  return Reader{std::move(list), chunks, version.list_digest};
}

Result<Reader> Reader::open(const grant::Permit& permit, std::string_view alias, Store& store) {
  const auto& inputs = permit.inputs();
  const auto input = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const auto& one) { return one.alias == alias; });
  if (input == inputs.end()) return Error{Code::Denied, "the permit has no input of that alias"};
  COFFER_TRY(UniqueFd list, store.open_list(input->chunk_list));
  COFFER_TRY(const Key key, input->version_key ? key_from(input->version_key->expose())
                                               : store.public_key(input->chunk_list));
  COFFER_TRY(Reader reader, open({std::move(list), input->chunk_list, key}, store));
  reader.expected_content_ = input->content;
  return reader;
}

Result<std::optional<FileEntry>> Reader::next() {
  COFFER_TRY(auto entry, list_.next());
  if (!entry) {
    const auto& summary = list_.summary();
    const bool content_fits = !expected_content_ || summary->content == *expected_content_;
    if (summary->list != expected_ || !content_fits) {
      return Error{Code::Corrupt, "the chunk list is not the one that the manifest names"};
    }
  }
  return entry;
}

Result<> Reader::read(const FileEntry& file, const ByteSink& sink) {
  const auto at_file = [&](Error error) {
    error.detail = printable(file.path);
    return error;
  };
  Sha256 digest;
  digest.update(file.salt);
  std::optional<DigestBeside> beside;
  if (file.chunks.size() > 1) beside.emplace(digest);
  for (const auto& ref : file.chunks) {
    auto bytes = chunks_->chunk(ref.name);
    if (!bytes) return at_file(std::move(bytes).error());
    const auto plain = open_chunk(ref, *bytes);
    if (!plain) return at_file(plain.error());
    COFFER_CHECK(sink(*plain));
    if (beside) {
      beside->update(*std::move(bytes), *plain);
    } else {
      digest.update(*plain);
    }
  }
  if (beside) beside->finish();
  if (digest.finish() != file.digest) {
    return at_file(Error{Code::Corrupt, "a file's digest is not what its list says"});
  }
  return {};
}

Result<Staged> stage(Reader reader, int directory) {
  Staged staged;
  TreeWriter tree{directory};
  for (;;) {
    COFFER_TRY(const auto file, reader.next());
    if (!file) break;
    COFFER_CHECK(tree.begin(file->path, file->mode));
    COFFER_CHECK(reader.read(*file, [&](ByteView bytes) { return tree.write(bytes); }));
    staged.files += 1;
    staged.bytes += file->size;
  }
  COFFER_CHECK(tree.finish());
  return staged;
}

}  // namespace coffer::vault
