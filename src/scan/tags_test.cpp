#include <gtest/gtest.h>

#include <algorithm>

#include "base/wire.h"
#include "scan/detail/file_scan.h"

namespace coffer::scan {
namespace {

std::vector<std::string> names(const std::vector<Tag>& tags) {
  std::vector<std::string> out;
  for (const auto& tag : tags) out.push_back(tag.name);
  return out;
}

// A big-endian TIFF directory: entries of {tag, value}, and where the next one is.
void directory(WireWriter& out, std::initializer_list<std::pair<unsigned, unsigned>> entries,
               std::uint32_t next) {
  const auto u16 = [&](unsigned v) {
    out.u8(static_cast<std::uint8_t>(v >> 8)).u8(static_cast<std::uint8_t>(v));
  };
  u16(static_cast<unsigned>(entries.size()));
  for (const auto& [tag, value] : entries) {
    u16(tag);
    u16(4);
    out.u32(1).u32(value);
  }
  out.u32(next);
}

ByteVector tiff() {
  WireWriter out;
  out.raw(bytes_of(std::string_view{"MM\0*", 4})).u32(8);
  directory(out, {{0x010f, 0}, {0x8769, 38}, {0x8825, 0}}, 0);  // 2 + 3 * 12 + 4 = 42 bytes, at 8
  ByteVector bytes = std::move(out).take();
  bytes[8 + 2 + 12 + 11] = std::byte{50};  // the EXIF directory is at 50
  WireWriter exif;
  directory(exif, {{0x9003, 0}, {0xa431, 0}, {0x0100, 1}}, 0);
  bytes.insert(bytes.end(), exif.data().begin(), exif.data().end());
  return bytes;
}

const std::vector<std::string> kTiffNames{"Make", "DateTimeOriginal", "BodySerialNumber", "GPS"};

TEST(Tags, OfTiffAndOfItsExifDirectory) { EXPECT_EQ(names(tiff_tags(tiff())), kTiffNames); }

TEST(Tags, OfJpegInApplicationSegments) {
  WireWriter out;
  const ByteVector exif = tiff();
  const auto segment = [&](std::uint8_t marker, std::string_view prefix, ByteView data) {
    const std::size_t length = 2 + prefix.size() + data.size();
    out.u8(0xff)
        .u8(marker)
        .u8(static_cast<std::uint8_t>(length >> 8))
        .u8(static_cast<std::uint8_t>(length));
    out.raw(bytes_of(prefix)).raw(data);
  };
  out.u8(0xff).u8(0xd8);
  segment(0xe0, "JFIF", {});
  segment(0xe1, {"Exif\0\0", 6}, exif);
  segment(0xfe, "a comment", {});
  out.u8(0xff).u8(0xda).u8(0).u8(2);
  auto wanted = kTiffNames;
  wanted.emplace_back("Comment");
  EXPECT_EQ(names(jpeg_tags(out.data())), wanted);
}

TEST(Tags, OfPngTexts) {
  WireWriter out;
  out.raw(bytes_of("\x89PNG\r\n\x1a\n"));
  const auto chunk = [&](std::string_view type, std::string_view data) {
    out.u32(static_cast<std::uint32_t>(data.size())).raw(bytes_of(type)).raw(bytes_of(data)).u32(0);
  };
  chunk("IHDR", std::string(13, 'x'));
  chunk("tEXt", {"Author\0Ada", 10});
  chunk("eXIf", text_of(tiff()));
  chunk("IEND", "");
  auto wanted = kTiffNames;
  wanted.insert(wanted.begin(), "Author");
  EXPECT_EQ(names(png_tags(out.data())), wanted);
}

// Little-endian element; `vr` empty: implicit.
void element(std::string& out, std::uint32_t number, const std::string& vr,
             const std::string& value) {
  const auto u16 = [&](std::uint32_t v) {
    out += static_cast<char>(v & 255);
    out += static_cast<char>(v >> 8 & 255);
  };
  u16(number >> 16);
  u16(number & 0xffff);
  out += vr;
  u16(static_cast<std::uint32_t>(value.size()));
  if (vr.empty()) u16(0);
  out += value;
}

std::string dicom(const std::string& syntax, const std::string& vr) {
  std::string out(128, '\0');
  out += "DICM";
  element(out, 0x00020010, "UI", syntax);
  element(out, 0x00080020, vr.empty() ? "" : "DA", "20240105");
  element(out, 0x00090001, vr.empty() ? "" : "LO", "private");
  element(out, 0x00100010, vr.empty() ? "" : "PN", "Lovelace^Ada");
  element(out, 0x00100020, vr.empty() ? "" : "LO", "");  // blank: not reported
  element(out, 0x00280301, vr.empty() ? "" : "CS", "YES ");
  element(out, 0x7fe00010, vr.empty() ? "" : "US", "pixels");
  return out;
}

TEST(Tags, OfDicomInExplicitAndImplicitForm) {
  const std::vector<std::string> wanted{"StudyDate", "PatientName", "BurnedInAnnotation",
                                        "(private)"};
  EXPECT_EQ(names(dicom_tags(bytes_of(dicom({"1.2.840.10008.1.2.1\0", 20}, "x")))), wanted);
  EXPECT_EQ(names(dicom_tags(bytes_of(dicom({"1.2.840.10008.1.2\0", 18}, "")))), wanted);
  EXPECT_EQ(names(dicom_tags(bytes_of(dicom({"1.2.840.10008.1.2.2\0", 20}, "x")))),
            std::vector<std::string>{"(unread)"});
}

TEST(Tags, OfDicomInsideSequences) {
  std::string out(128, '\0');
  out += "DICM";
  element(out, 0x00020010, "UI", {"1.2.840.10008.1.2.1\0", 20});
  const std::string undefined = "\xff\xff\xff\xff";
  out += std::string("\x08\x00\x40\x11SQ\0\0", 8) + undefined;  // (0008,1140)
  out += std::string("\xfe\xff\x00\xe0", 4) + undefined;        // item
  element(out, 0x00100010, "PN", "Lovelace^Ada");
  out += std::string("\xfe\xff\x0d\xe0\0\0\0\0", 8) + std::string("\xfe\xff\xdd\xe0\0\0\0\0", 8);
  element(out, 0x00100040, "CS", "F ");
  EXPECT_EQ(names(dicom_tags(bytes_of(out))),
            (std::vector<std::string>{"PatientName", "PatientSex"}));
}

// Whatever the bytes are, nothing is read outside them (the sanitisers watch).
TEST(Tags, HostileBytesEndTheReading) {
  const std::string explicit_form = dicom({"1.2.840.10008.1.2.1\0", 20}, "x");
  const ByteVector picture = tiff();
  std::uint64_t state = 1;
  for (int round = 0; round < 2000; ++round) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    std::string scan = explicit_form;
    ByteVector image = picture;
    scan[132 + (state >> 33) % (scan.size() - 132)] = static_cast<char>(state >> 20);
    image[(state >> 33) % image.size()] = static_cast<std::byte>(state >> 20 & 255);
    (void)dicom_tags(bytes_of(scan).first((state >> 40) % (scan.size() + 1)));
    (void)tiff_tags(image);
    (void)jpeg_tags(image);
    (void)png_tags(image);
  }
  // A directory that names itself as the next one ends too.
  WireWriter loop;
  loop.raw(bytes_of(std::string_view{"MM\0*", 4})).u32(8);
  directory(loop, {{0x8769, 8}, {0x8769, 8}}, 8);
  EXPECT_TRUE(tiff_tags(loop.data()).empty());
}

}  // namespace
}  // namespace coffer::scan
