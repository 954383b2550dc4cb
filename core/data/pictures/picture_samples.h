// The samples of an archive of pictures.
#ifndef ACCLIMATE_CORE_DATA_PICTURES_PICTURE_SAMPLES_H_
#define ACCLIMATE_CORE_DATA_PICTURES_PICTURE_SAMPLES_H_

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "core/data/class_names.h"
#include "core/data/pictures/picture_convention.h"
#include "core/io/mapped_file.h"

namespace acclimate::data {

struct PictureSamples {
  at::Tensor inputs;  // uint8 [N, channels, height, width], mapped from a file in the folder
  ClassTexts labels;  // the folder of each; empty: all pictures lie in one folder
  std::vector<std::string> warnings;
};

// In the archive's order. Folders that all pictures share are no classes, unless they are among
// `class_names`. A picture that cannot be decoded is left out, counted and named; more than a tenth
// of them are INVALID_ARGUMENT, and so are an archive without pictures, pictures beside folders of
// pictures, and, where the convention has no size, pictures that differ in size. The convention
// then gets that size. Decodes on all of LibTorch's threads.
absl::StatusOr<PictureSamples> ReadPictures(const std::shared_ptr<io::MappedFile>& file,
                                            const std::vector<std::string>& class_names,
                                            const std::string& cache_folder,
                                            PictureConvention& convention);

// The class folder of each path. Empty: there are none. INVALID_ARGUMENT: some have one.
absl::StatusOr<std::vector<std::string>> ClassFolders(const std::string& archive,
                                                      const std::vector<std::string>& paths,
                                                      const std::vector<std::string>& class_names);

}  // namespace acclimate::data

#endif  // ACCLIMATE_CORE_DATA_PICTURES_PICTURE_SAMPLES_H_
