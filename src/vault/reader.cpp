#include "vault/reader.h"

#include <algorithm>
#include <future>
#include <span>
#include <utility>
#include <vector>

#include "vault/store.h"

namespace coffer::vault {
namespace {

constexpr std::size_t kTogether = 4;  // chunks whose ids are computed beside each other

// Chunks whose tags fit.
struct Opened {
  std::vector<ByteVector> memory;
  std::vector<ByteView> plain;  // in `memory`
  std::future<Result<>> ids;    // ends first: it looks at `plain`
};

Result<> give(Opened opened, const ByteSink& sink) {
  if (opened.plain.empty()) return {};
  COFFER_CHECK(opened.ids.get());
  for (const ByteView chunk : opened.plain) COFFER_CHECK(sink(chunk));
  return {};
}

}  // namespace

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
  const auto opened = [&](std::span<const ChunkRef> refs) -> Result<Opened> {
    Opened out;
    for (const auto& ref : refs) {
      COFFER_TRY(ByteVector bytes, chunks_->chunk(ref.name));
      COFFER_TRY(const ByteView plain, open_chunk(ref, bytes));
      out.memory.push_back(std::move(bytes));
      out.plain.push_back(plain);
    }
    // By a thread of its own, where there is something to do meanwhile and a thread to be had.
    const auto when = refs.size() < file.chunks.size() ? std::launch::async | std::launch::deferred
                                                       : std::launch::deferred;
    out.ids = std::async(when, [&key = list_.dataset_key(), refs, plain = std::span{out.plain}] {
      return check_ids(key, refs, plain);
    });
    return out;
  };
  const auto read_all = [&]() -> Result<> {
    Opened before;
    for (std::span<const ChunkRef> rest{file.chunks}; !rest.empty();) {
      const auto some = rest.first(std::min(kTogether, rest.size()));
      rest = rest.subspan(some.size());
      COFFER_TRY(Opened next, opened(some));
      COFFER_CHECK(give(std::exchange(before, std::move(next)), sink));
    }
    return give(std::move(before), sink);
  };
  auto read = read_all();
  if (!read) {
    Error error = std::move(read).error();
    if (error.detail.empty()) error.detail = printable(file.path);
    return error;
  }
  return read;
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
