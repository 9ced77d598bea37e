#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "scan/csv.h"
#include "scan/detail/file_scan.h"
#include "scan/detail/forms.h"

namespace coffer::scan {
namespace {

constexpr std::size_t kTagBytesMax = std::size_t{1} << 20;

// Named as a table, and not one byte of it can be read as such.
class NoTableScan final : public FileScan {
 public:
  void bytes(ByteView) override {}
  File end() override {
    return {.path = {},
            .format = "other",
            .defect = "its name is a table's and it has NUL bytes: save it as UTF-8 text"};
  }
};

// A format that is recognised and not looked into.
class OpaqueScan final : public FileScan {
 public:
  OpaqueScan(std::string format, std::string reason)
      : format_(std::move(format)), reason_(std::move(reason)) {}
  void bytes(ByteView /*bytes*/) override {}
  File end() override { return {.path = {}, .format = format_, .reason = reason_}; }

 private:
  std::string format_;
  std::string reason_;
};

// Keeps the first MiB and looks for tags at the end.
class TagScan final : public FileScan {
 public:
  using Find = std::vector<Tag> (*)(ByteView);
  TagScan(std::string format, Find find) : format_(std::move(format)), find_(find) {}
  void bytes(ByteView bytes) override {
    const auto take = bytes.first(std::min(bytes.size(), kTagBytesMax - kept_.size()));
    kept_.insert(kept_.end(), take.begin(), take.end());
  }
  File end() override {
    File file{.path = {}, .format = format_};
    file.tags = find_(kept_);
    file.reason =
        file.tags.empty() ? "no tags were found" : fmt::format("{} tags", file.tags.size());
    file.reason += "; the picture itself was not looked at";
    return file;
  }

 private:
  std::string format_;
  Find find_;
  ByteVector kept_;
};

// Counts words that identify by their form.
class TextScan final : public FileScan {
 public:
  void bytes(ByteView bytes) override {
    for (const char c : text_of(bytes)) {
      if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        end_word();
      } else if (word_.size() < 256) {
        word_ += c;
      }
    }
  }
  File end() override {
    end_word();
    File file{.path = {}, .format = "text", .reason = fmt::format("free text of {} words", words_)};
    for (std::size_t i = 0; i < kForms; ++i) {
      if (found_[i] == 0) continue;
      const auto form = static_cast<Form>(i);
      file.tags.push_back({fmt::format("text {}", i + 1), Kind::Identifier,
                           fmt::format("{} words look like {}", found_[i], describe(form))});
    }
    return file;
  }

 private:
  void end_word() {
    const auto first = word_.find_first_not_of("<(\"'[");
    if (first != std::string::npos) {
      ++words_;
      const auto last = word_.find_last_not_of(">)\"',;.:]");
      const auto form = last == std::string::npos || last < first
                            ? std::nullopt
                            : form_of(std::string_view{word_}.substr(first, last - first + 1));
      if (form && identifies(*form)) ++found_[static_cast<std::size_t>(*form)];
    }
    word_.clear();
  }
  std::string word_;
  std::uint64_t words_{0};
  std::array<std::uint64_t, kForms> found_{};
};

struct Magic {
  std::size_t at;
  std::string_view bytes;
  std::string_view format;
};
constexpr std::array kMagic{
    Magic{0, "PAR1", "parquet"},
    Magic{0, "\x89PNG\r\n\x1a\n", "png"},
    Magic{0, "\xff\xd8\xff", "jpeg"},
    Magic{0, {"II*\0", 4}, "tiff"},
    Magic{0, {"MM\0*", 4}, "tiff"},
    Magic{0, {"II+\0", 4}, "tiff"},
    Magic{0, {"MM\0+", 4}, "tiff"},
    Magic{128, "DICM", "dicom"},
    Magic{0, "\x89HDF\r\n", "hdf5"},
    Magic{0, "PK\x03\x04", "zip"},
    Magic{0, "\x1f\x8b", "gzip"},
    Magic{0, "\x28\xb5\x2f\xfd", "zstd"},
    Magic{0, "BZh", "bzip2"},
    Magic{0,
          "\xfd"
          "7zXZ",
          "xz"},
    Magic{0, "\x93NUMPY", "npy"},
    Magic{0, "SQLite format 3", "sqlite"},
    Magic{0, "%PDF", "pdf"},
    Magic{0, "ARROW1", "arrow"},
    Magic{344, "n+1", "nifti"},
    Magic{0, "Obj\x01", "avro"},
};

std::string_view by_magic(std::string_view head) {
  for (const auto& magic : kMagic) {
    if (head.size() >= magic.at && head.substr(magic.at).starts_with(magic.bytes))
      return magic.format;
  }
  return {};
}

std::string extension_of(std::string_view path) {
  std::string out = std::filesystem::path(path).extension().string();
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool is_one_of(const std::string& extension, std::initializer_list<std::string_view> known) {
  return std::find(known.begin(), known.end(), extension) != known.end();
}

bool looks_like_text(std::string_view head) { return head.find('\0') == std::string_view::npos; }

}  // namespace

std::unique_ptr<FileScan> choose_scan(std::string_view path, ByteView bytes) {
  const std::string_view head = coffer::text_of(bytes);
  const std::string_view format = by_magic(head);
  if (format == "jpeg") return std::make_unique<TagScan>("jpeg", jpeg_tags);
  if (format == "png") return std::make_unique<TagScan>("png", png_tags);
  if (format == "tiff") return std::make_unique<TagScan>("tiff", tiff_tags);
  if (format == "dicom") return std::make_unique<TagScan>("dicom", dicom_tags);
  if (format == "parquet") {
    return std::make_unique<OpaqueScan>(
        "parquet", "the columns of Parquet files are not read: add a line for each of them here");
  }
  if (!format.empty()) {
    return std::make_unique<OpaqueScan>(std::string(format), "its content was not looked into");
  }
  const std::string extension = extension_of(path);
  const bool table = is_one_of(extension, {".tsv", ".tab", ".csv", ".data"});
  if (!looks_like_text(head) && table) return std::make_unique<NoTableScan>();
  if (!looks_like_text(head))
    return std::make_unique<OpaqueScan>("other", "its format was not recognised");
  if (is_one_of(extension, {".tsv", ".tab"})) return make_table_scan('\t');
  if (is_one_of(extension, {".csv", ".data"})) return make_table_scan(find_delimiter(head));
  if (is_one_of(extension, {".json", ".geojson"})) {
    return std::make_unique<OpaqueScan>("json", "its content was not looked into");
  }
  if (is_one_of(extension, {".jsonl", ".ndjson"})) {
    return std::make_unique<OpaqueScan>("jsonl", "its content was not looked into");
  }
  return std::make_unique<TextScan>();
}

}  // namespace coffer::scan
