// A libnvidia-ml.so.1 without a driver: the functions that the server calls, with the names, types
// and codes of NVIDIA's nvml.h. The file that FAKE_NVML names says at every call what to answer:
// one line, or one word a GPU. Without it there is one healthy GPU.
//
//   no_driver       nvmlInit_v2 fails
//   no_count        nvmlDeviceGetCount_v2 fails
//   hang            every call waits until the file says something else
//   ok              70 % busy, 20 of 80 GB in use, 65 degrees, 300.5 W
//   mig             as ok, but it cannot tell how busy it is
//   lost            nvmlDeviceGetHandleByIndex_v2 answers "GPU is lost"
//   lost_later      its values do
//   forbidden       this process may not use it
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0, kUninitialized = 1, kInvalidArgument = 2, kNotSupported = 3,
              kNoPermission = 4, kInsufficientSize = 7, kDriverNotLoaded = 9, kGpuIsLost = 15,
              kUnknown = 999;

bool initialized = false;

std::vector<std::string> Words() {
  while (true) {
    const char* const path = std::getenv("FAKE_NVML");
    if (path == nullptr) return {"ok"};
    std::ifstream file(path);
    std::vector<std::string> words;
    for (std::string word; file >> word;) words.push_back(word);
    if (words != std::vector<std::string>{"hang"}) return words;
    usleep(1000);
  }
}

// GPU i has the handle i + 1.
std::string WordOf(void* device) {
  const auto number = reinterpret_cast<uintptr_t>(device);
  const std::vector<std::string> words = Words();
  return number >= 1 && number <= words.size() ? words[number - 1] : "";
}

template <typename Fill>
int Answer(void* device, const Fill& fill) {
  const std::string word = WordOf(device);
  if (word.empty()) return kInvalidArgument;
  if (word == "lost" || word == "lost_later") return kGpuIsLost;
  fill();
  return kSuccess;
}

}  // namespace

extern "C" {

struct nvmlUtilization_t {
  unsigned int gpu, memory;
};
struct nvmlMemory_t {
  unsigned long long total, free, used;
};

int nvmlInit_v2() {
  initialized = Words() != std::vector<std::string>{"no_driver"};
  return initialized ? kSuccess : kDriverNotLoaded;
}

const char* nvmlErrorString(int result) {
  switch (result) {
    case kSuccess:
      return "Success";
    case kDriverNotLoaded:
      return "Driver Not Loaded";
    case kGpuIsLost:
      return "GPU is lost";
    default:
      return "Another error";
  }
}

int nvmlDeviceGetCount_v2(unsigned int* count) {
  if (!initialized) return kUninitialized;
  const std::vector<std::string> words = Words();
  if (words == std::vector<std::string>{"no_count"}) return kUnknown;
  *count = static_cast<unsigned int>(words.size());
  return kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** device) {
  void* const handle = reinterpret_cast<void*>(uintptr_t{index} + 1);
  const std::string word = WordOf(handle);
  if (word.empty()) return kInvalidArgument;
  if (word == "lost") return kGpuIsLost;
  if (word == "forbidden") return kNoPermission;
  *device = handle;
  return kSuccess;
}

int nvmlDeviceGetName(void* device, char* name, unsigned int length) {
  constexpr char kName[] = "NVIDIA Fake 80GB";
  if (length < sizeof(kName)) return kInsufficientSize;
  return Answer(device, [&] { std::snprintf(name, length, "%s", kName); });
}

int nvmlDeviceGetUtilizationRates(void* device, nvmlUtilization_t* utilization) {
  if (WordOf(device) == "mig") return kNotSupported;
  return Answer(device, [&] { *utilization = {70, 30}; });
}

int nvmlDeviceGetMemoryInfo(void* device, nvmlMemory_t* memory) {
  return Answer(device, [&] { *memory = {80000000000, 60000000000, 20000000000}; });
}

int nvmlDeviceGetTemperature(void* device, int sensor, unsigned int* celsius) {
  if (sensor != 0) return kInvalidArgument;
  return Answer(device, [&] { *celsius = 65; });
}

int nvmlDeviceGetPowerUsage(void* device, unsigned int* milliwatts) {
  return Answer(device, [&] { *milliwatts = 300500; });
}

}  // extern "C"
