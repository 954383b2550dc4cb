// A checkpoint: its form, its network, what is recorded with it.
#ifndef ACCLIMATE_CORE_INSPECT_CHECKPOINT_DESCRIPTION_H_
#define ACCLIMATE_CORE_INSPECT_CHECKPOINT_DESCRIPTION_H_

#include <memory>

#include <nlohmann/json.hpp>

#include "core/inspect/file_description.h"

namespace acclimate::inspect {

nlohmann::ordered_json DescribeCheckpoint(const std::shared_ptr<io::MappedFile>& file,
                                          const Question& question);

}  // namespace acclimate::inspect

#endif  // ACCLIMATE_CORE_INSPECT_CHECKPOINT_DESCRIPTION_H_
