#include "server/metrics/nvml.h"

#include <dlfcn.h>

#include <cstdint>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace acclimate::metrics {
namespace {

// As NVIDIA's own nvml.h has them.
using Result = int;
constexpr Result kSuccess = 0;
constexpr Result kNotSupported = 3;
constexpr Result kNoPermission = 4;
constexpr Result kNoData = 21;
using Device = struct DeviceTag*;
struct Utilization {
  unsigned gpu_percent, memory_percent;
};
struct Memory {
  uint64_t total_bytes, free_bytes, used_bytes;
};
constexpr int kSensorOfTheChip = 0;
constexpr unsigned kNameBytes = 96;

}  // namespace

struct Nvml::Functions {
  Result (*init)();
  const char* (*error_string)(Result);
  Result (*count)(unsigned* count);
  Result (*handle)(unsigned index, Device* device);
  Result (*name)(Device device, char* name, unsigned bytes);
  Result (*utilization)(Device device, Utilization* utilization);
  Result (*memory)(Device device, Memory* memory);
  Result (*temperature)(Device device, int sensor, unsigned* celsius);
  Result (*power)(Device device, unsigned* milliwatts);
};

absl::StatusOr<std::unique_ptr<Nvml>> Nvml::Open(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return absl::NotFoundError(dlerror());
  auto functions = std::make_unique<Functions>();
  const char* missing = nullptr;
  const auto find = [&](auto& function, const char* name) {
    void* const symbol = dlsym(library, name);
    if (symbol == nullptr) missing = name;
    function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
  };
  find(functions->init, "nvmlInit_v2");
  find(functions->error_string, "nvmlErrorString");
  find(functions->count, "nvmlDeviceGetCount_v2");
  find(functions->handle, "nvmlDeviceGetHandleByIndex_v2");
  find(functions->name, "nvmlDeviceGetName");
  find(functions->utilization, "nvmlDeviceGetUtilizationRates");
  find(functions->memory, "nvmlDeviceGetMemoryInfo");
  find(functions->temperature, "nvmlDeviceGetTemperature");
  find(functions->power, "nvmlDeviceGetPowerUsage");
  if (missing != nullptr) {
    return absl::UnimplementedError(absl::StrCat(path, " has no function ", missing));
  }
  return absl::WrapUnique(new Nvml(std::move(functions)));
}

Nvml::Nvml(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}
Nvml::~Nvml() = default;

absl::StatusOr<std::vector<GpuReading>> Nvml::Read() {
  const auto failed = [this](absl::string_view what, Result result) {
    return absl::UnavailableError(absl::StrCat(what, ": ", functions_->error_string(result)));
  };
  if (!initialized_) {
    if (const Result result = functions_->init(); result != kSuccess) {
      return failed("NVML does not start", result);
    }
    initialized_ = true;
  }
  unsigned count = 0;
  if (const Result result = functions_->count(&count); result != kSuccess) {
    return failed("NVML does not count the GPUs", result);
  }
  std::vector<GpuReading> readings;
  for (unsigned index = 0; index < count; ++index) {
    if (std::optional<GpuReading> reading = ReadOne(index)) {
      readings.push_back(*std::move(reading));
    }
  }
  return readings;
}

// Nothing for a GPU that belongs to others, as in a container.
std::optional<GpuReading> Nvml::ReadOne(unsigned index) {
  GpuReading reading;
  reading.index = static_cast<int>(index);
  // False: without an error where the GPU only does not have this value.
  const auto succeeded = [&](Result result) {
    const bool absent = result == kNotSupported || result == kNoPermission || result == kNoData;
    if (result != kSuccess && !absent) reading.error = functions_->error_string(result);
    return result == kSuccess;
  };
  std::string& name = names_[index];
  Device device = nullptr;
  const Result found = functions_->handle(index, &device);
  if (found == kNoPermission) return std::nullopt;
  if (succeeded(found)) {
    char text[kNameBytes] = "";
    if (name.empty() && succeeded(functions_->name(device, text, kNameBytes))) name = text;
    if (Utilization use{}; succeeded(functions_->utilization(device, &use))) {
      reading.utilization_ratio = use.gpu_percent / 100.0;
    }
    if (Memory memory{}; succeeded(functions_->memory(device, &memory))) {
      reading.memory_used_bytes = static_cast<double>(memory.used_bytes);
      reading.memory_total_bytes = static_cast<double>(memory.total_bytes);
    }
    unsigned value = 0;
    if (succeeded(functions_->temperature(device, kSensorOfTheChip, &value))) {
      reading.temperature_celsius = value;
    }
    if (succeeded(functions_->power(device, &value))) reading.power_watts = value / 1000.0;
  }
  reading.name = name;
  return reading;
}

}  // namespace acclimate::metrics
