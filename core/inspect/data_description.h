// A data file: its samples, its labels, what is odd about them.
#ifndef ACCLIMATE_CORE_INSPECT_DATA_DESCRIPTION_H_
#define ACCLIMATE_CORE_INSPECT_DATA_DESCRIPTION_H_

#include <memory>

#include <nlohmann/json.hpp>

#include "core/io/mapped_file.h"

namespace acclimate::inspect {

// Of safetensors, npz or npy.
nlohmann::ordered_json DescribeTensors(const std::shared_ptr<io::MappedFile>& file);
// Of CSV: its columns and rows. How they are coded is decided by the job's options.
nlohmann::ordered_json DescribeTable(const std::shared_ptr<io::MappedFile>& file);

// Of an archive of pictures: how many there are in each folder. None is decoded.
nlohmann::ordered_json DescribePictures(const std::shared_ptr<io::MappedFile>& file);

}  // namespace acclimate::inspect

#endif  // ACCLIMATE_CORE_INSPECT_DATA_DESCRIPTION_H_
