// The pictures of a .tar, .tar.gz, .tar.zst or .zip, one after the other, by libarchive.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_PICTURE_ARCHIVE_H_
#define ACCLIMATE_CORE_DATA_PICTURES_PICTURE_ARCHIVE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/io/mapped_file.h"

struct archive;

namespace acclimate::data {

struct PictureFile {
  std::string path;  // within the archive, in UTF-8
  std::string bytes;
};

class PictureArchive {
 public:
  // By its bytes: a tar, anything that gzip or zstd compressed, or a zip that holds a picture.
  static bool Is(const std::shared_ptr<io::MappedFile>& file);

  // INVALID_ARGUMENT: neither tar nor zip once it is decompressed.
  static absl::StatusOr<PictureArchive> Open(std::shared_ptr<io::MappedFile> file);

  // The next files whose names are those of pictures, at least one and at most `count` with about
  // `bytes` together; none at the end of the archive. INVALID_ARGUMENT: the archive is damaged,
  // encrypted, or a picture is larger than 256 MiB.
  absl::StatusOr<std::vector<PictureFile>> Next(int64_t count, int64_t bytes);

  // What was passed over so far: files that are no pictures, hidden ones not counted.
  int64_t passed_over() const { return passed_over_; }
  const std::string& first_passed_over() const { return first_passed_over_; }

 private:
  struct Closer {
    void operator()(archive* reader) const;
  };

  explicit PictureArchive(std::shared_ptr<io::MappedFile> file) : file_(std::move(file)) {}
  // False at the end.
  absl::StatusOr<bool> NextPath(std::string& path);
  absl::Status ReadData(const std::string& path, std::string& bytes);
  absl::Status Damaged() const;

  std::shared_ptr<io::MappedFile> file_;
  std::unique_ptr<archive, Closer> reader_;
  bool ended_ = false;
  int64_t entries_ = 0, passed_over_ = 0;
  std::string first_passed_over_;
};

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_PICTURE_ARCHIVE_H_
