#include "tests/core/data/pictures/picture_files.h"

#include <archive.h>
#include <archive_entry.h>
#include <png.h>
#include <stdlib.h>
#include <unistd.h>
#include <webp/encode.h>

#include <cmath>
#include <cstdio>  // for jpeglib.h
#include <cstring>
#include <random>

#include <jpeglib.h>

namespace acclimate::testing {
namespace {

using data::Pixels;

// Red, green, blue: three bytes a pixel.
std::string Colours(const Pixels& pixels) {
  std::string bytes;
  for (int64_t i = 0; i < pixels.rows * pixels.columns; ++i) {
    bytes.append(reinterpret_cast<const char*>(&pixels.rgbx[i * Pixels::kBytes]), 3);
  }
  return bytes;
}

void AppendPng(png_structp png, png_bytep bytes, size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(bytes), size);
}

template <typename Integer>
void AppendLittleEndian(std::string* bytes, Integer value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

la_ssize_t AppendToArchive(archive*, void* to, const void* bytes, size_t size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

}  // namespace

Pixels MakePhoto(int64_t width, int64_t height, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(width * height * 3, 128.0);
  // Octaves: as the steps halve, the contrast sinks.
  for (int64_t step = 128; step >= 1; step /= 2) {
    const double contrast = 8 + 0.3 * static_cast<double>(step);
    const int64_t columns = width / step + 2, rows = height / step + 2;
    std::vector<double> grid(columns * rows * 3);
    for (double& value : grid) value = contrast * normal(random);
    for (int64_t y = 0; y < height; ++y) {
      const int64_t row = y / step;
      const double dy = static_cast<double>(y % step) / static_cast<double>(step);
      for (int64_t x = 0; x < width; ++x) {
        const int64_t column = x / step;
        const double dx = static_cast<double>(x % step) / static_cast<double>(step);
        for (int64_t c = 0; c < 3; ++c) {
          const auto at = [&](int64_t r, int64_t k) { return grid[(r * columns + k) * 3 + c]; };
          values[(y * width + x) * 3 + c] +=
              (1 - dy) * ((1 - dx) * at(row, column) + dx * at(row, column + 1)) +
              dy * ((1 - dx) * at(row + 1, column) + dx * at(row + 1, column + 1));
        }
      }
    }
  }
  Pixels pixels;
  pixels.width = pixels.columns = width;
  pixels.height = pixels.rows = height;
  pixels.rgbx.resize(width * height * Pixels::kBytes);
  for (int64_t i = 0; i < width * height; ++i) {
    for (int64_t c = 0; c < 3; ++c) {
      pixels.rgbx[i * Pixels::kBytes + c] =
          static_cast<uint8_t>(std::lrint(std::min(255.0, std::max(0.0, values[i * 3 + c]))));
    }
  }
  return pixels;
}

std::string EncodeJpeg(const Pixels& pixels, int quality) {
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(pixels.columns);
  info.image_height = static_cast<JDIMENSION>(pixels.rows);
  info.input_components = Pixels::kBytes;
  info.in_color_space = JCS_EXT_RGBX;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  for (int64_t row = 0; row < pixels.rows; ++row) {
    JSAMPROW line = const_cast<uint8_t*>(pixels.Row(row));
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  std::string result(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&info);
  free(bytes);
  return result;
}

std::string EncodePng(const Pixels& pixels) {
  std::string bytes, colours = Colours(pixels);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &bytes, AppendPng, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(pixels.columns),
               static_cast<png_uint_32>(pixels.rows), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int64_t row = 0; row < pixels.rows; ++row) {
    png_write_row(png, reinterpret_cast<png_const_bytep>(&colours[row * pixels.columns * 3]));
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return bytes;
}

std::string EncodeWebp(const Pixels& pixels) {
  const std::string colours = Colours(pixels);
  uint8_t* bytes = nullptr;
  const size_t size = WebPEncodeLosslessRGB(
      reinterpret_cast<const uint8_t*>(colours.data()), static_cast<int>(pixels.columns),
      static_cast<int>(pixels.rows), static_cast<int>(3 * pixels.columns), &bytes);
  std::string result(reinterpret_cast<char*>(bytes), size);
  WebPFree(bytes);
  return result;
}

std::string EncodeBmp(const Pixels& pixels) {
  const int64_t row_bytes = (pixels.columns * 24 + 31) / 32 * 4;
  std::string bytes = "BM";
  AppendLittleEndian<uint32_t>(&bytes, static_cast<uint32_t>(54 + row_bytes * pixels.rows));
  AppendLittleEndian<uint32_t>(&bytes, 0);
  AppendLittleEndian<uint32_t>(&bytes, 54);
  AppendLittleEndian<uint32_t>(&bytes, 40);
  AppendLittleEndian<int32_t>(&bytes, static_cast<int32_t>(pixels.columns));
  AppendLittleEndian<int32_t>(&bytes, static_cast<int32_t>(pixels.rows));
  AppendLittleEndian<uint16_t>(&bytes, 1);
  AppendLittleEndian<uint16_t>(&bytes, 24);
  bytes.append(24, '\0');
  for (int64_t row = pixels.rows - 1; row >= 0; --row) {
    const size_t begin = bytes.size();
    for (int64_t column = 0; column < pixels.columns; ++column) {
      const uint8_t* const pixel = pixels.Row(row) + column * Pixels::kBytes;
      for (int c = 2; c >= 0; --c) bytes.push_back(static_cast<char>(pixel[c]));
    }
    bytes.resize(begin + row_bytes, '\0');
  }
  return bytes;
}

std::string MakeArchive(const NamedFiles& files, const std::string& format) {
  std::string bytes;
  archive* const writer = archive_write_new();
  if (format == "zip") {
    archive_write_set_format_zip(writer);
  } else {
    archive_write_set_format_pax_restricted(writer);
    if (format == "tar.gz") archive_write_add_filter_gzip(writer);
    if (format == "tar.zst") archive_write_add_filter_zstd(writer);
  }
  archive_write_set_bytes_in_last_block(writer, 1);  // no zeros behind compressed bytes
  archive_write_open(writer, &bytes, nullptr, AppendToArchive, nullptr);
  for (const auto& [path, content] : files) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, path.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_write_header(writer, entry);
    archive_write_data(writer, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return bytes;
}

std::shared_ptr<io::MappedFile> FileOfBytes(const std::string& bytes, const std::string& name) {
  char path[] = "/tmp/acclimate_pictures_XXXXXX";
  const int fd = mkstemp(path);
  unlink(path);
  std::shared_ptr<io::MappedFile> file;
  if (write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
    file = io::MappedFile::FromDescriptor(fd, name).value();
  }
  close(fd);
  return file;
}

}  // namespace acclimate::testing
