// Files of datasets, made byte by byte, so that each can be damaged on purpose.
#ifndef ACCLIMATE_TESTS_CORE_DATA_DATASET_FILES_H_
#define ACCLIMATE_TESTS_CORE_DATA_DATASET_FILES_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/io/mapped_file.h"

namespace acclimate::data {

inline std::shared_ptr<io::MappedFile> FileOf(const std::string& bytes,
                                              const std::string& name = "data.bin") {
  // Mapped by descriptor and removed at once: nothing is left behind, whatever the test does.
  std::FILE* file = std::tmpfile();
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fflush(file);
  std::shared_ptr<io::MappedFile> mapped =
      io::MappedFile::FromDescriptor(fileno(file), name).value();
  std::fclose(file);
  return mapped;
}

inline std::string LittleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(i < 8 ? value >> (8 * i) : 0));
  return text;
}

inline std::string BytesOf(const at::Tensor& tensor) {
  at::Tensor plain = tensor.contiguous();
  return {static_cast<const char*>(plain.data_ptr()), plain.nbytes()};
}

// An npy file with this header dictionary and body.
inline std::string Npy(const std::string& dictionary, const std::string& body, int version = 1) {
  int length_bytes = version == 1 ? 2 : 4;
  std::string header = dictionary;
  while ((8 + length_bytes + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  return "\x93NUMPY" + LittleEndian(version, 1) + LittleEndian(0, 1) +
         LittleEndian(header.size(), length_bytes) + header + body;
}

inline std::string NpyOf(const at::Tensor& tensor, const std::string& descr) {
  std::string shape;
  for (int64_t extent : tensor.sizes()) absl::StrAppend(&shape, extent, ", ");
  return Npy(
      absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }"),
      BytesOf(tensor));
}

struct ZipMember {
  std::string name, content;
  bool deflate = false;
};

inline std::string RawDeflate(const std::string& content) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string output(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = content.size();
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = output.size();
  deflate(&stream, Z_FINISH);
  output.resize(stream.total_out);
  deflateEnd(&stream);
  return output;
}

inline std::string Zip(const std::vector<ZipMember>& members) {
  std::string archive, directory;
  for (const ZipMember& member : members) {
    std::string stored = member.deflate ? RawDeflate(member.content) : member.content;
    uint32_t crc =
        crc32(0, reinterpret_cast<const Bytef*>(member.content.data()), member.content.size());
    std::string shared = LittleEndian(20, 2) + LittleEndian(0, 2) +
                         LittleEndian(member.deflate ? 8 : 0, 2) + LittleEndian(0, 4) +
                         LittleEndian(crc, 4) + LittleEndian(stored.size(), 4) +
                         LittleEndian(member.content.size(), 4) +
                         LittleEndian(member.name.size(), 2) + LittleEndian(0, 2);
    directory += std::string("PK\1\2") + LittleEndian(20, 2) + shared + LittleEndian(0, 10) +
                 LittleEndian(archive.size(), 4) + member.name;
    archive += std::string("PK\3\4") + shared + member.name + stored;
  }
  return archive + directory + "PK\5\6" + LittleEndian(0, 4) + LittleEndian(members.size(), 2) +
         LittleEndian(members.size(), 2) + LittleEndian(directory.size(), 4) +
         LittleEndian(archive.size(), 4) + LittleEndian(0, 2);
}

}  // namespace acclimate::data

#endif  // ACCLIMATE_TESTS_CORE_DATA_DATASET_FILES_H_
