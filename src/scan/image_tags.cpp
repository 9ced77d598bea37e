// Source: TIFF 6.0; EXIF 2.32 (CIPA DC-008); JPEG (ISO 10918-1, annex B); PNG, third edition.
#include <algorithm>
#include <array>

#include "scan/detail/bytes.h"
#include "scan/detail/file_scan.h"

namespace coffer::scan {
namespace {

struct Known {
  std::uint32_t number;
  std::string_view name;
  Kind kind;
  std::string_view why;
};

constexpr std::uint32_t kExifDirectory = 0x8769;
constexpr std::uint32_t kGpsDirectory = 0x8825;
constexpr std::array kKnown{
    Known{0x010e, "ImageDescription", Kind::FreeText, "free text about the picture"},
    Known{0x010f, "Make", Kind::Other, "the maker of the device"},
    Known{0x0110, "Model", Kind::Other, "the model of the device"},
    Known{0x0132, "DateTime", Kind::Date, "when the file was written"},
    Known{0x013b, "Artist", Kind::Identifier, "who made the picture"},
    Known{0x02bc, "XMP", Kind::Other, "a packet of further metadata"},
    Known{0x8298, "Copyright", Kind::Identifier, "names of persons or firms"},
    Known{0x83bb, "IPTC", Kind::Other, "a block of captions and bylines"},
    Known{kGpsDirectory, "GPS", Kind::QuasiIdentifier, "where the picture was taken"},
    Known{0x9003, "DateTimeOriginal", Kind::Date, "when the picture was taken"},
    Known{0x9004, "DateTimeDigitized", Kind::Date, "when the picture was digitised"},
    Known{0x927c, "MakerNote", Kind::Other, "the maker's own data, often with serial numbers"},
    Known{0x9286, "UserComment", Kind::FreeText, "free text about the picture"},
    Known{0x9c9b, "XPTitle", Kind::FreeText, "free text about the picture"},
    Known{0x9c9c, "XPComment", Kind::FreeText, "free text about the picture"},
    Known{0x9c9d, "XPAuthor", Kind::Identifier, "who made the picture"},
    Known{0x9c9e, "XPKeywords", Kind::FreeText, "free text about the picture"},
    Known{0x9c9f, "XPSubject", Kind::FreeText, "free text about the picture"},
    Known{0xa420, "ImageUniqueID", Kind::Identifier, "a number of this picture alone"},
    Known{0xa430, "CameraOwnerName", Kind::Identifier, "the name of the device's owner"},
    Known{0xa431, "BodySerialNumber", Kind::Identifier, "the serial number of the device"},
    Known{0xa435, "LensSerialNumber", Kind::Identifier, "the serial number of the lens"},
};

void add(std::vector<Tag>& tags, Tag tag) {
  const bool there =
      std::any_of(tags.begin(), tags.end(), [&](const Tag& t) { return t.name == tag.name; });
  if (!there) tags.push_back(std::move(tag));
}

constexpr int kDirectoriesMax = 64;  // pages and their parts; more is a loop or hostile

// Follows image file directories; `left` bounds them all.
void read_directory(const Bytes& bytes, std::uint32_t at, int& left, std::vector<Tag>& tags) {
  while (at != 0) {
    if (left-- <= 0) return;
    const auto count = bytes.u16(at);
    if (!count) {
      add(tags,
          {"(unread)", Kind::Other, "tags behind the first MiB, or beyond the end, were not read"});
      return;
    }
    for (std::uint32_t i = 0; i < *count; ++i) {
      const std::size_t entry = std::size_t{at} + 2 + std::size_t{12} * i;
      const auto number = bytes.u16(entry);
      const auto value = bytes.u32(entry + 8);
      if (!number || !value) return;
      const auto known = std::find_if(kKnown.begin(), kKnown.end(),
                                      [&](const Known& k) { return k.number == *number; });
      if (known != kKnown.end())
        add(tags, {std::string(known->name), known->kind, std::string(known->why)});
      if (*number == kExifDirectory) read_directory(bytes, *value, left, tags);
    }
    at = bytes.u32(std::size_t{at} + 2 + std::size_t{12} * *count).value_or(0);
  }
}

}  // namespace

std::vector<Tag> tiff_tags(ByteView data) {
  std::vector<Tag> tags;
  const ByteOrder order = text_of(data).starts_with("MM") ? ByteOrder::Big : ByteOrder::Little;
  const Bytes bytes{data, order};
  if (bytes.u16(2) == 43U) {
    add(tags, {"(unread)", Kind::Other, "tags of BigTIFF are not read"});
    return tags;
  }
  int left = kDirectoriesMax;
  read_directory(bytes, bytes.u32(4).value_or(0), left, tags);
  return tags;
}

std::vector<Tag> jpeg_tags(ByteView data) {
  constexpr std::string_view kExif{"Exif\0\0", 6};
  const Bytes bytes{data, ByteOrder::Big};
  std::vector<Tag> tags;
  std::size_t at = 2;
  for (;;) {
    const auto marker = bytes.u16(at);
    const auto length = bytes.u16(at + 2);
    if (!marker || !length || *length < 2 || *marker < 0xff00 || *marker == 0xffda) return tags;
    const auto content = bytes.text(at + 4, *length - 2);
    if (*marker == 0xffe1 && content.starts_with(kExif)) {
      for (auto& tag : tiff_tags(bytes_of(content.substr(kExif.size())))) add(tags, std::move(tag));
    } else if (*marker == 0xffe1 && content.starts_with("http://ns.adobe.com/")) {
      add(tags, {"XMP", Kind::Other, "a packet of further metadata"});
    } else if (*marker == 0xffed) {
      add(tags, {"IPTC", Kind::Other, "a block of captions and bylines"});
    } else if (*marker == 0xfffe) {
      add(tags, {"Comment", Kind::FreeText, "free text about the picture"});
    }
    at += 2 + *length;
  }
}

std::vector<Tag> png_tags(ByteView data) {
  const Bytes bytes{data, ByteOrder::Big};
  std::vector<Tag> tags;
  std::size_t at = 8;
  for (;;) {
    const auto length = bytes.u32(at);
    const auto type = bytes.text(at + 4, 4);
    if (!length || type.empty()) return tags;
    const auto content = bytes.text(at + 8, *length);
    if (type == "tEXt" || type == "zTXt" || type == "iTXt") {
      const auto keyword = content.substr(0, std::min(content.find('\0'), content.size()));
      add(tags, {printable(keyword, 79), Kind::FreeText, "a text about the picture"});
    } else if (type == "eXIf") {
      for (auto& tag : tiff_tags(bytes_of(content))) add(tags, std::move(tag));
    } else if (type == "tIME") {
      add(tags, {"tIME", Kind::Date, "when the picture was changed"});
    }
    at += std::size_t{12} + *length;
  }
}

}  // namespace coffer::scan
