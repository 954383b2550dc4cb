#include "core/data/pictures/picture_samples.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/optional.h"
#include "core/data/bad_data.h"
#include "core/data/pictures/picture_archive.h"
#include "core/data/pictures/picture_decoder.h"
#include "core/data/pictures/sample_cache.h"

namespace acclimate::data {
namespace {

// What is in memory at a time.
constexpr int64_t kPicturesAtOnce = 256;
constexpr int64_t kBytesAtOnce = int64_t{64} << 20;
constexpr size_t kNamed = 5;  // damaged pictures, in a message

absl::Status CheckSize(const Pixels& pixels, const PictureConvention& convention) {
  const int64_t height = convention.size > 0 ? convention.size : convention.height;
  const int64_t width = convention.size > 0 ? convention.size : convention.width;
  if (pixels.rows == height && pixels.columns == width) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("has ", pixels.columns, " x ", pixels.rows,
                                            " pixels, and not ", width, " x ", height,
                                            " as the first; give an image size"));
}

// From an archive into a cache, batch by batch.
class PictureLoader {
 public:
  PictureLoader(const std::shared_ptr<io::MappedFile>& file, const std::string& cache_folder,
                PictureConvention& convention)
      : file_(file), cache_folder_(cache_folder), convention_(convention) {}

  absl::Status Load() {
    absl::StatusOr<PictureArchive> archive = PictureArchive::Open(file_);
    if (!archive.ok()) return archive.status();
    while (true) {
      const absl::StatusOr<std::vector<PictureFile>> files =
          archive->Next(kPicturesAtOnce, kBytesAtOnce);
      if (!files.ok()) return files.status();
      if (files->empty()) break;
      if (absl::Status status = Decode(*files); !status.ok()) return status;
    }
    if (archive->passed_over() > 0) {
      warnings_.push_back(
          absl::StrCat(file_->name(), ": ", archive->passed_over(),
                       " files are not named as JPEG, PNG, WebP or BMP and are left "
                       "out, the first is ",
                       archive->first_passed_over()));
    }
    return CheckDamage();
  }

  const std::vector<std::string>& paths() const { return paths_; }  // of the samples
  std::vector<std::string> TakeWarnings() { return std::move(warnings_); }

  absl::StatusOr<at::Tensor> Inputs() {
    absl::StatusOr<std::shared_ptr<io::MappedFile>> mapped = cache_->Map(slots_);
    if (!mapped.ok()) return mapped.status();
    const std::vector<int64_t> shape = {static_cast<int64_t>(slots_.size()), convention_.channels,
                                        Height(), Width()};
    return at::from_blob((*mapped)->data(), shape, [keep = *mapped](void*) {}, at::kByte);
  }

 private:
  int64_t Height() const { return convention_.size > 0 ? convention_.size : convention_.height; }
  int64_t Width() const { return convention_.size > 0 ? convention_.size : convention_.width; }

  // The size of the first picture that can be read is that of all, where none is given.
  absl::Status Begin(const std::vector<PictureFile>& files) {
    if (cache_ || (convention_.size == 0 && convention_.height == 0 && !FindSize(files))) {
      return absl::OkStatus();
    }
    absl::StatusOr<SampleCache> cache = SampleCache::Create(
        cache_folder_, convention_.channels * Height() * Width(), file_->name());
    if (!cache.ok()) return cache.status();
    cache_.emplace(*std::move(cache));
    return absl::OkStatus();
  }

  bool FindSize(const std::vector<PictureFile>& files) {
    for (const PictureFile& file : files) {
      const absl::StatusOr<Pixels> pixels = DecodePicture(file.bytes, convention_);
      if (!pixels.ok()) continue;
      convention_.height = pixels->height;
      convention_.width = pixels->width;
      return true;
    }
    return false;
  }

  absl::Status Decode(const std::vector<PictureFile>& files) {
    if (absl::Status status = Begin(files); !status.ok()) return status;
    std::vector<absl::Status> outcomes(files.size());
    const int64_t first = next_slot_;
    at::parallel_for(0, static_cast<int64_t>(files.size()), 1, [&](int64_t begin, int64_t end) {
      std::vector<uint8_t> sample;
      for (int64_t i = begin; i < end; ++i) {
        outcomes[i] = DecodeOne(files[i], first + i, sample);
      }
    });
    next_slot_ += static_cast<int64_t>(files.size());
    for (size_t i = 0; i < files.size(); ++i) {
      if (outcomes[i].ok()) {
        slots_.push_back(first + static_cast<int64_t>(i));
        paths_.push_back(files[i].path);
      } else if (absl::IsInvalidArgument(outcomes[i])) {
        damaged_.push_back(absl::StrCat(files[i].path, " (", outcomes[i].message(), ")"));
      } else if (absl::IsOutOfRange(outcomes[i])) {
        return BadData(file_->name(), files[i].path, " ", outcomes[i].message());
      } else {
        return outcomes[i];
      }
    }
    return absl::OkStatus();
  }

  // INVALID_ARGUMENT: the picture is damaged; OUT_OF_RANGE: of another size.
  absl::Status DecodeOne(const PictureFile& file, int64_t slot, std::vector<uint8_t>& sample) {
    const absl::StatusOr<Pixels> pixels = DecodePicture(file.bytes, convention_);
    if (!pixels.ok()) return pixels.status();
    if (absl::Status status = CheckSize(*pixels, convention_); !status.ok()) return status;
    sample.resize(convention_.channels * pixels->rows * pixels->columns);
    ToPlanes(*pixels, convention_.channels, sample.data());
    return cache_->Put(slot, sample.data());
  }

  absl::Status CheckDamage() {
    constexpr size_t kMostDamaged = 10;  // one in so many
    const size_t all = damaged_.size() + paths_.size();
    if (all == 0) {
      return BadData(file_->name(),
                     "holds no pictures: no file is named as JPEG, PNG, WebP or BMP");
    }
    if (damaged_.empty()) return absl::OkStatus();
    const auto end = damaged_.begin() + static_cast<int64_t>(std::min(kNamed, damaged_.size()));
    const std::string named = absl::StrCat(absl::StrJoin(damaged_.begin(), end, ", "),
                                           damaged_.size() > kNamed ? ", ..." : "");
    if (damaged_.size() * kMostDamaged > all) {
      return BadData(file_->name(), damaged_.size(), " of ", all,
                     " pictures cannot be read, more than a tenth: ", named);
    }
    warnings_.push_back(absl::StrCat(file_->name(), ": ", damaged_.size(), " of ", all,
                                     " pictures cannot be read and are left out: ", named));
    return absl::OkStatus();
  }

  const std::shared_ptr<io::MappedFile>& file_;
  const std::string& cache_folder_;
  PictureConvention& convention_;
  absl::optional<SampleCache> cache_;
  int64_t next_slot_ = 0;
  std::vector<int64_t> slots_;        // of the pictures that could be read
  std::vector<std::string> paths_;    // likewise
  std::vector<std::string> damaged_;  // with the reasons
  std::vector<std::string> warnings_;
};

absl::string_view FirstFolder(absl::string_view path) {
  const size_t slash = path.find('/');
  return slash == absl::string_view::npos ? absl::string_view() : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ClassFolders(const std::string& archive,
                                                      const std::vector<std::string>& paths,
                                                      const std::vector<std::string>& class_names) {
  std::vector<absl::string_view> rest(paths.begin(), paths.end());
  while (true) {
    const absl::string_view shared = FirstFolder(rest.front());
    const bool is_class =
        std::find(class_names.begin(), class_names.end(), shared) != class_names.end();
    const bool all = std::all_of(rest.begin(), rest.end(), [&](absl::string_view path) {
      return FirstFolder(path) == shared;
    });
    if (shared.empty() || is_class || !all) break;
    for (absl::string_view& path : rest) path.remove_prefix(shared.size() + 1);
  }
  std::vector<std::string> folders;
  size_t without = 0;
  for (const absl::string_view path : rest) {
    folders.emplace_back(FirstFolder(path));
    without += folders.back().empty();
  }
  if (without == rest.size()) return std::vector<std::string>();
  if (without == 0) return folders;
  const size_t beside = std::find(folders.begin(), folders.end(), "") - folders.begin();
  return BadData(archive,
                 "has pictures in folders, one for each class, and beside them: ", paths[beside],
                 "; give one form");
}

absl::StatusOr<PictureSamples> ReadPictures(const std::shared_ptr<io::MappedFile>& file,
                                            const std::vector<std::string>& class_names,
                                            const std::string& cache_folder,
                                            PictureConvention& convention) {
  constexpr int64_t kColours = 3;
  if (convention.channels == 0) convention.channels = kColours;
  PictureLoader loader(file, cache_folder, convention);
  if (absl::Status status = loader.Load(); !status.ok()) return status;
  const absl::StatusOr<std::vector<std::string>> folders =
      ClassFolders(file->name(), loader.paths(), class_names);
  if (!folders.ok()) return folders.status();
  absl::StatusOr<at::Tensor> inputs = loader.Inputs();
  if (!inputs.ok()) return inputs.status();
  PictureSamples samples;
  samples.inputs = *std::move(inputs);
  for (size_t i = 0; i < folders->size(); ++i) {
    samples.labels.Add((*folders)[i], loader.paths()[i]);
  }
  samples.warnings = loader.TakeWarnings();
  return samples;
}

}  // namespace acclimate::data
