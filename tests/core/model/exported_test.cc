// Programs of torch.export from tests/data/exported: what they compute, how they are given back,
// and what is said of broken ones. Needs no Python.
#include <gmock/gmock.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/version.h>
#include <zlib.h>

#include <cstring>
#include <functional>
#include <random>

#include "absl/strings/str_replace.h"
#include "core/model/exported_program.h"
#include "core/model/mode_graph.h"
#include "core/model/torch_archive.h"
#include "nlohmann/json.hpp"
#include "tests/core/model/exported_fixture.h"

namespace acclimate::model {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kProgram[] = "models/model.json";
constexpr char kWeightsConfig[] = "data/weights/model_weights_config.json";

std::string DataPath(const std::string& name) {
  return absl::StrCat(ACCLIMATE_TEST_DATA_DIR, "/", name);
}

class ExportedTest : public ::testing::Test {
 protected:
  ExportedTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate_exported_XXXXXX";
    scratch_ = mkdtemp(pattern.data());
  }
  ~ExportedTest() override { std::filesystem::remove_all(scratch_); }

  std::string ScratchPath(const std::string& name) const { return scratch_ + "/" + name; }
  static std::unique_ptr<Model> Loaded(const std::string& path) {
    auto model = Load(path, {"", ExportedSampleShape()});
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }
  absl::StatusOr<std::unique_ptr<Model>> LoadBytes(const std::string& bytes,
                                                   const LoadOptions& options) const {
    std::ofstream(ScratchPath("bytes.pt2"), std::ios::binary) << bytes;
    return Load(ScratchPath("bytes.pt2"), options);
  }

  // All records of an archive, by name without the top folder.
  static std::map<std::string, std::string> Records(const std::string& path) {
    const auto archive = TorchArchive::Open(*io::MappedFile::Open(path));
    EXPECT_TRUE(archive.ok()) << archive.status();
    std::map<std::string, std::string> records;
    for (const std::string& name : archive->Names()) {
      records[name] = std::string(*archive->Read(name));
    }
    return records;
  }

  // A zip archive of these records, stored, with the right sums.
  static std::string Archive(const std::map<std::string, std::string>& records) {
    std::string bytes, directory;
    const auto append = [](std::string* to, uint32_t value, int count) {
      for (int i = 0; i < count; ++i) to->push_back(static_cast<char>(value >> (8 * i)));
    };
    for (const auto& [record, text] : records) {
      const std::string name = "model/" + record;
      std::string fields;
      append(&fields, 20, 2);
      append(&fields, 0, 4);
      append(&fields, 0, 4);
      append(
          &fields,
          static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(text.data()), text.size())),
          4);
      append(&fields, text.size(), 4);
      append(&fields, text.size(), 4);
      append(&fields, name.size(), 2);
      append(&fields, 0, 2);
      directory += "PK\x01\x02";
      append(&directory, 20, 2);
      directory += fields;
      directory.append(10, '\0');
      append(&directory, bytes.size(), 4);
      directory += name;
      bytes += "PK\x03\x04" + fields + name + text;
    }
    std::string end = "PK\x05\x06";
    append(&end, 0, 4);
    append(&end, records.size(), 2);
    append(&end, records.size(), 2);
    append(&end, directory.size(), 4);
    append(&end, bytes.size(), 4);
    append(&end, 0, 2);
    return bytes + directory + end;
  }

  // What is said of cnn.pt2 once `change` has been made to its records.
  std::string Refusal(
      const std::function<void(std::map<std::string, std::string>*)>& change) const {
    auto records = Records(DataPath("cnn.pt2"));
    change(&records);
    const auto model = LoadBytes(Archive(records), {"", ExportedSampleShape()});
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << model.status();
    const std::string message(model.status().message());
    EXPECT_THAT(message, Not(HasSubstr("\n")));
    EXPECT_THAT(message, HasSubstr("bytes.pt2"));
    EXPECT_LT(message.size(), 400u) << message;
    return message;
  }
  // The same, for a change of one JSON record.
  std::string JsonRefusal(const std::string& record,
                          const std::function<void(json*)>& change) const {
    return Refusal([&](std::map<std::string, std::string>* records) {
      json document = json::parse(records->at(record));
      change(&document);
      (*records)[record] = document.dump();
    });
  }
  std::string NodeRefusal(const std::string& target,
                          const std::function<void(json*)>& change) const {
    return JsonRefusal(kProgram, [&](json* program) {
      for (json& node : (*program)["graph_module"]["graph"]["nodes"]) {
        if (node["target"] == target) return change(&node);
      }
      ADD_FAILURE() << "no " << target;
    });
  }

 private:
  std::string scratch_;
};

TEST_F(ExportedTest, ComputesWhatPythonComputes) {
  for (const std::string name : {"cnn", "cnn_training", "cnn_core", "attention"}) {
    SCOPED_TRACE(name);
    const Tensors expected = ReadTensorFile(DataPath(name + ".expected.safetensors"));
    ExpectWhatPythonComputes(Loaded(DataPath(name + ".pt2")).get(), expected, Mode::kEvaluation);
  }
}

TEST_F(ExportedTest, TrainsAsPythonDoes) {
  const Tensors expected = ReadTensorFile(DataPath("cnn_core.expected.safetensors"));
  ExpectWhatPythonComputes(Loaded(DataPath("cnn_core.pt2")).get(), expected, Mode::kTraining);
}

TEST_F(ExportedTest, StatisticsFollowInTrainingAlone) {
  for (const std::string name : {"cnn", "cnn_training", "cnn_core"}) {
    SCOPED_TRACE(name);
    const Tensors expected = ReadTensorFile(DataPath(name + ".expected.safetensors"));
    const auto model = Loaded(DataPath(name + ".pt2"));
    const at::NoGradGuard no_grad;
    const auto before = Loaded(DataPath(name + ".pt2"))->StateDict();
    model->Forward(expected.at("inputs"), Mode::kEvaluation);
    model->Forward(expected.at("inputs"), Mode::kBatchStatistics);
    for (const auto& [tensor, value] : model->StateDict()) {
      EXPECT_TRUE(value.equal(before.at(tensor))) << tensor;
    }
    model->Forward(expected.at("inputs"), Mode::kTraining);
    for (const auto& [tensor, value] : model->StateDict()) {
      const auto found = expected.find("train:buffer:" + tensor);
      if (found == expected.end()) continue;
      EXPECT_LE(Difference(value, found->second), 1e-5) << tensor;
      EXPECT_FALSE(value.equal(before.at(tensor))) << tensor;
    }
    EXPECT_EQ(model->batch_norm_layers().size(), 2u);
    EXPECT_EQ(model->batch_norm_layers()[1].name, "bn2");
  }
}

TEST_F(ExportedTest, DropoutFollowsTheMode) {
  const at::NoGradGuard no_grad;
  for (const std::string name : {"cnn", "cnn_training", "attention"}) {
    SCOPED_TRACE(name);
    const auto model = Loaded(DataPath(name + ".pt2"));
    const at::Tensor inputs = at::randn({16, 1, 12, 12});
    for (const Mode mode : {Mode::kEvaluation, Mode::kBatchStatistics}) {
      EXPECT_EQ(
          Difference(model->Forward(inputs, mode).logits, model->Forward(inputs, mode).logits), 0);
    }
    EXPECT_GT(Difference(model->Forward(inputs, Mode::kTraining).logits,
                         model->Forward(inputs, Mode::kTraining).logits),
              0);
  }
}

// Tensors made within the graph are made where the model is.
TEST_F(ExportedTest, DevicesAreTheModels) {
  auto records = Records(DataPath("cnn.pt2"));
  json program = json::parse(records.at(kProgram));
  json& graph = program["graph_module"]["graph"];
  json ones = {{"target", "torch.ops.aten.ones.default"},
               {"inputs",
                {{{"name", "size"}, {"arg", {{"as_ints", {3}}}}, {"kind", 1}},
                 {{"name", "dtype"}, {"arg", {{"as_scalar_type", 7}}}, {"kind", 2}},
                 {{"name", "device"},
                  {"arg", {{"as_device", {{"type", "cuda"}, {"index", 5}}}}},
                  {"kind", 2}}}},
               {"outputs", {{{"as_tensor", {{"name", "ones"}}}}}},
               {"metadata", json::object()}};
  json add = {{"target", "torch.ops.aten.add.Tensor"},
              {"inputs",
               {{{"name", "self"}, {"arg", {{"as_tensor", {{"name", "linear"}}}}}, {"kind", 1}},
                {{"name", "other"}, {"arg", {{"as_tensor", {{"name", "ones"}}}}}, {"kind", 1}}}},
              {"outputs", {{{"as_tensor", {{"name", "sum"}}}}}},
              {"metadata", json::object()}};
  graph["nodes"].push_back(ones);
  graph["nodes"].push_back(add);
  graph["outputs"][0]["as_tensor"]["name"] = "sum";
  program["graph_module"]["signature"]["output_specs"][0]["user_output"]["arg"]["as_tensor"]
         ["name"] = "sum";
  records[kProgram] = program.dump();
  std::ofstream(ScratchPath("ones.pt2"), std::ios::binary) << Archive(records);
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = at::randn({2, 1, 12, 12});
  EXPECT_EQ(Difference(Loaded(ScratchPath("ones.pt2"))->Forward(inputs, Mode::kEvaluation).logits,
                       Loaded(DataPath("cnn.pt2"))->Forward(inputs, Mode::kEvaluation).logits + 1),
            0);
  const auto exported =
      ReadExportedProgram(*TorchArchive::Open(*io::MappedFile::Open(ScratchPath("ones.pt2"))));
  ASSERT_TRUE(exported.ok()) << exported.status();
  const at::Device device("meta");
  int devices = 0;
  const auto specialised = SpecialiseGraph(exported->module, Mode::kTraining, device);
  for (const torch::jit::Node* node : AllNodes(*specialised)) {
    if (node->kind() != c10::prim::Constant) continue;
    const auto value = torch::jit::toIValue(node->output());
    if (value && value->isTensor()) {
      EXPECT_EQ(value->toTensor().device(), device);
    }
    if (!value || !value->isDevice()) continue;
    EXPECT_EQ(value->toDevice(), device);
    ++devices;
  }
  EXPECT_LE(devices, 1);
}

TEST_F(ExportedTest, ComesBackByteForByte) {
  for (const char* name : {"cnn.pt2", "cnn_training.pt2", "cnn_core.pt2", "attention.pt2"}) {
    const auto model = Loaded(DataPath(name));
    EXPECT_EQ(model->form(), CheckpointForm::kExportedProgram);
    EXPECT_EQ(FileNameFor(model->form()), "model.pt2");
    ASSERT_TRUE(model->Save(ScratchPath("same.pt2")).ok());
    EXPECT_TRUE(ReadFileBytes(ScratchPath("same.pt2")) == ReadFileBytes(DataPath(name))) << name;
  }
}

TEST_F(ExportedTest, OnlyChangedWeightsAndTheirSumsDiffer) {
  const auto model = Loaded(DataPath("cnn.pt2"));
  const at::NoGradGuard no_grad;
  const at::Tensor weight = model->StateDict().at("fc.weight");
  weight[1][2].fill_(12345.5);
  ASSERT_TRUE(model->Save(ScratchPath("changed.pt2")).ok());
  const std::string before = ReadFileBytes(DataPath("cnn.pt2"));
  const std::string after = ReadFileBytes(ScratchPath("changed.pt2"));
  ASSERT_EQ(before.size(), after.size());
  int differing = 0;
  for (size_t i = 0; i < before.size(); ++i) differing += before[i] != after[i];
  EXPECT_LE(differing, 4 + 2 * 4);  // one float; its sum behind the data and in the directory
  const auto archive = TorchArchive::Open(*io::MappedFile::Open(ScratchPath("changed.pt2")));
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_EQ(Loaded(ScratchPath("changed.pt2"))->StateDict().at("fc.weight")[1][2].item<float>(),
            12345.5);
}

TEST_F(ExportedTest, NotesTravelInTheArchive) {
  const auto model = Loaded(DataPath("cnn.pt2"));
  model->metadata() = {{"mean", "0.5"}, {"quote", "a \"b\"\n"}};
  ASSERT_TRUE(model->Save(ScratchPath("notes.pt2")).ok());
  const auto again = Loaded(ScratchPath("notes.pt2"));
  EXPECT_EQ(again->metadata(), model->metadata());
  EXPECT_EQ(again->Clone()->metadata(), model->metadata());
  // Every other record is where it was.
  auto records = Records(ScratchPath("notes.pt2"));
  records.erase(kExportedMetadataRecord);
  EXPECT_EQ(records, Records(DataPath("cnn.pt2")));
  ASSERT_TRUE(again->Save(ScratchPath("same.pt2")).ok());
  EXPECT_TRUE(ReadFileBytes(ScratchPath("same.pt2")) == ReadFileBytes(ScratchPath("notes.pt2")));
  // A record that is not the last one is replaced too.
  records["extra/acclimate.json"] = R"({"mean": "0.1"})";
  std::ofstream(ScratchPath("early.pt2"), std::ios::binary) << Archive(records);
  const auto early = Loaded(ScratchPath("early.pt2"));
  EXPECT_EQ(early->metadata().at("mean"), "0.1");
  early->metadata()["mean"] = "0.123456";
  ASSERT_TRUE(early->Save(ScratchPath("late.pt2")).ok());
  EXPECT_EQ(Loaded(ScratchPath("late.pt2"))->metadata().at("mean"), "0.123456");
  EXPECT_EQ(Records(ScratchPath("late.pt2")).size(), records.size());
}

TEST_F(ExportedTest, AnotherShapeCannotBeSaved) {
  const auto archive = TorchArchive::Open(*io::MappedFile::Open(DataPath("cnn.pt2")));
  const ExportedArchive exported(*archive);
  const absl::Status status =
      WriteExportedProgram(exported, ScratchPath("wide.pt2"), {{"fc.bias", at::zeros({4})}}, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("fc.bias"), HasSubstr("[4]"), HasSubstr("[3]")));
  EXPECT_FALSE(std::filesystem::exists(ScratchPath("wide.pt2")));
}

// Weights of one storage: some tied, some beside each other.
TEST_F(ExportedTest, ViewsOfOneStorage) {
  auto records = Records(DataPath("cnn.pt2"));
  json config = json::parse(records.at(kWeightsConfig));
  json& bias = config["config"]["conv1.bias"];
  json& scale = config["config"]["bn1.weight"];
  json& shift = config["config"]["bn1.bias"];
  const std::string together = records.at("data/weights/" + bias["path_name"].get<std::string>()) +
                               records.at("data/weights/" + scale["path_name"].get<std::string>());
  records["data/weights/together"] = together;
  for (json* entry : {&bias, &scale, &shift}) (*entry)["path_name"] = "together";
  scale["tensor_meta"]["storage_offset"]["as_int"] = 4;
  shift["tensor_meta"]["storage_offset"]["as_int"] = 0;  // tied to conv1.bias
  records[kWeightsConfig] = config.dump();
  std::ofstream(ScratchPath("together.pt2"), std::ios::binary) << Archive(records);
  const auto model = Loaded(ScratchPath("together.pt2"));
  const auto state = model->StateDict();
  EXPECT_EQ(state.at("conv1.bias").data_ptr(), state.at("bn1.bias").data_ptr());
  EXPECT_EQ(state.at("bn1.weight").storage_offset(), 0);
  EXPECT_TRUE(
      state.at("bn1.weight").equal(Loaded(DataPath("cnn.pt2"))->StateDict().at("bn1.weight")));
  const at::NoGradGuard no_grad;
  at::Tensor(state.at("bn1.weight")).fill_(3);
  at::Tensor(state.at("conv1.bias")).fill_(2);
  ASSERT_TRUE(model->Save(ScratchPath("again.pt2")).ok());
  const std::vector<float> expected = {2, 2, 2, 2, 3, 3, 3, 3};
  const std::string stored = Records(ScratchPath("again.pt2")).at("data/weights/together");
  ASSERT_EQ(stored.size(), sizeof(float) * expected.size());
  EXPECT_EQ(std::memcmp(stored.data(), expected.data(), stored.size()), 0);
  // A tensor that lies half in another one: the two can part, and then there is no room for both.
  shift["tensor_meta"]["storage_offset"]["as_int"] = 2;
  records[kWeightsConfig] = config.dump();
  std::ofstream(ScratchPath("overlap.pt2"), std::ios::binary) << Archive(records);
  const auto overlap = Loaded(ScratchPath("overlap.pt2"));
  ASSERT_TRUE(overlap->Save(ScratchPath("again.pt2")).ok());
  at::Tensor(overlap->StateDict().at("bn1.bias")).fill_(7);
  EXPECT_THAT(std::string(overlap->Save(ScratchPath("again.pt2")).message()),
              HasSubstr("shares bytes"));
}

TEST_F(ExportedTest, WeightsKeepTheirTypes) {
  for (const auto& [number, type] : std::map<int, at::ScalarType>{{1, at::kByte},
                                                                  {2, at::kChar},
                                                                  {5, at::kLong},
                                                                  {6, at::kHalf},
                                                                  {8, at::kDouble},
                                                                  {12, at::kBool},
                                                                  {13, at::kBFloat16}}) {
    auto records = Records(DataPath("cnn.pt2"));
    json config = json::parse(records.at(kWeightsConfig));
    json& counter = config["config"]["bn2.num_batches_tracked"];
    counter["tensor_meta"]["dtype"] = number;
    records[kWeightsConfig] = config.dump();
    auto model = LoadBytes(Archive(records), {"", ExportedSampleShape()});
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ((*model)->StateDict().at("bn2.num_batches_tracked").scalar_type(),
              c10::isFloatingType(type) ? at::kFloat : type);
    // What comes back has the types that came.
    ASSERT_TRUE((*model)->Save(ScratchPath("again.pt2")).ok());
    EXPECT_EQ(Records(ScratchPath("again.pt2")).at(kWeightsConfig), records.at(kWeightsConfig));
  }
}

TEST_F(ExportedTest, SaysWhatIsWrongWithTheArchive) {
  using Changes = std::map<std::string, std::string>*;
  EXPECT_THAT(Refusal([](Changes r) { r->erase("data/weights/weight_0"); }),
              HasSubstr("data/weights/weight_0 is missing"));
  EXPECT_THAT(Refusal([](Changes r) { r->at("data/weights/weight_0").resize(20); }),
              AllOf(HasSubstr("of shape [4, 1, 3, 3] needs 144 bytes"), HasSubstr("has 20")));
  EXPECT_THAT(Refusal([](Changes r) { r->erase(kProgram); }), HasSubstr("holds no program"));
  EXPECT_THAT(Refusal([](Changes r) { (*r)["models/b.json"] = "{}"; }),
              HasSubstr("2 programs (b, model)"));
  EXPECT_THAT(Refusal([](Changes r) { (*r)["archive_version"] = "7"; }),
              HasSubstr("version \"7\"; wanted is \"pt2\", version \"0\""));
  EXPECT_THAT(Refusal([](Changes r) { (*r)["byteorder"] = "big"; }), HasSubstr("byte order"));
  EXPECT_THAT(Refusal([](Changes r) { (*r)["serialized_exported_program.json"] = "{}"; }),
              HasSubstr("older PyTorch"));
  EXPECT_THAT(Refusal([](Changes r) { (*r)["data/weights/model.pt"] = ""; }), HasSubstr("pickled"));
  EXPECT_THAT(Refusal([](Changes r) { r->at(kProgram).resize(1000); }),
              HasSubstr("models/model.json is not JSON"));
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 1000; ++i) deep += open;
    EXPECT_THAT(Refusal([&](Changes r) { (*r)[kProgram] = deep; }),
                HasSubstr("more than 100 levels deep"));
    for (int i = 0; i < 1'000'000; ++i) deep += open;
    EXPECT_THAT(Refusal([&](Changes r) { (*r)[kWeightsConfig] = deep; }),
                HasSubstr("more than 100 levels deep"));
  }
  // Cut short.
  const std::string whole = ReadFileBytes(DataPath("cnn.pt2"));
  for (size_t i = 0; i < 100; ++i) {
    const auto model = LoadBytes(whole.substr(0, whole.size() * i / 100), {});
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << i;
  }
}

TEST_F(ExportedTest, SaysWhatIsWrongWithATensor) {
  const auto refusal = [&](const std::function<void(json*)>& change) {
    return JsonRefusal(kWeightsConfig,
                       [&](json* config) { change(&(*config)["config"]["fc.weight"]); });
  };
  EXPECT_THAT(refusal([](json* w) { (*w)["tensor_meta"]["dtype"] = 99; }),
              HasSubstr("dtype number 99 is unknown"));
  EXPECT_THAT(refusal([](json* w) { (*w)["use_pickle"] = true; }),
              AllOf(HasSubstr("\"fc.weight\""), HasSubstr("pickle")));
  EXPECT_THAT(refusal([](json* w) { (*w)["tensor_meta"]["sizes"][0]["as_int"] = 4; }),
              AllOf(HasSubstr("needs 864 bytes"), HasSubstr("has 648")));
  EXPECT_THAT(refusal([](json* w) { (*w)["tensor_meta"]["storage_offset"]["as_int"] = 1; }),
              HasSubstr("needs 652 bytes"));
  for (const int64_t number : {int64_t{-1}, std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min(), int64_t{1} << 40}) {
    for (const char* member : {"sizes", "strides"}) {
      EXPECT_THAT(refusal([&](json* w) { (*w)["tensor_meta"][member][1]["as_int"] = number; }),
                  HasSubstr("fc.weight"))
          << member << number;
    }
    EXPECT_THAT(refusal([&](json* w) { (*w)["tensor_meta"]["storage_offset"]["as_int"] = number; }),
                HasSubstr("fc.weight"))
        << number;
  }
  // A large tensor out of few bytes.
  EXPECT_THAT(refusal([](json* w) {
                (*w)["tensor_meta"]["sizes"][0]["as_int"] = int64_t{1} << 30;
                (*w)["tensor_meta"]["strides"][0]["as_int"] = 0;
              }),
              HasSubstr("needs"));
  EXPECT_THAT(refusal([](json* w) { (*w)["tensor_meta"]["dtype"] = 1.5; }), HasSubstr("dtype"));
  EXPECT_THAT(refusal([](json* w) { w->erase("tensor_meta"); }), HasSubstr("tensor_meta"));
  EXPECT_THAT(JsonRefusal(kWeightsConfig, [](json* c) { (*c)["config"].erase("fc.bias"); }),
              HasSubstr("\"fc.bias\", which the archive does not hold"));
}

TEST_F(ExportedTest, SaysWhatIsWrongWithTheProgram) {
  EXPECT_THAT(JsonRefusal(kProgram, [](json* p) { (*p)["schema_version"]["major"] = 9; }),
              AllOf(HasSubstr("schema version is 9"), HasSubstr("wanted is 8")));
  EXPECT_THAT(
      NodeRefusal("torch.ops.aten.relu.default",
                  [](json* n) { (*n)["inputs"][0]["arg"]["as_tensor"]["name"] = "nowhere"; }),
      HasSubstr("reads \"nowhere\", which nothing before makes"));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.relu.default",
                          [](json* n) { (*n)["target"] = "torch.ops.aten.rellu.default"; }),
              AllOf(HasSubstr("torch.ops.aten.rellu.default"), HasSubstr(TORCH_VERSION)));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.relu.default",
                          [](json* n) { (*n)["target"] = "torch.ops.torchvision.nms.default"; }),
              AllOf(HasSubstr("torch.ops.torchvision.nms.default"), HasSubstr(TORCH_VERSION)));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.relu.default",
                          [](json* n) {
                            json again = (*n)["outputs"][0];
                            again["as_tensor"]["name"] = "second";
                            (*n)["outputs"].push_back(again);
                          }),
              HasSubstr("has 2 outputs; the operator has 1"));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.relu.default", [](json* n) { (*n)["outputs"].clear(); }),
              HasSubstr("has 0 outputs"));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.linear.default",
                          [](json* n) { (*n)["outputs"][0]["as_tensor"]["name"] = "relu"; }),
              HasSubstr("makes \"relu\" twice"));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.linear.default", [](json* n) { n->erase("inputs"); }),
              HasSubstr("lacks \"inputs\""));
  EXPECT_THAT(
      NodeRefusal("torch.ops.aten.linear.default", [](json* n) { (*n)["inputs"].erase(1); }),
      HasSubstr("lacks \"weight\""));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.linear.default",
                          [](json* n) {
                            (*n)["inputs"][1]["arg"] = {{"as_int", 3}};
                          }),
              HasSubstr("arguments that it does not take"));
  EXPECT_THAT(NodeRefusal("torch.ops.aten.linear.default",
                          [](json* n) {
                            (*n)["inputs"][1]["arg"] = {{"as_graph", {}}};
                          }),
              HasSubstr("as_graph"));
  const auto signature = [&](const std::function<void(json*)>& change) {
    return JsonRefusal(kProgram, [&](json* program) { change(&(*program)["graph_module"]); });
  };
  EXPECT_THAT(signature([](json* g) { (*g)["graph"]["outputs"].clear(); }),
              HasSubstr("gives back 0 values; its signature names 1"));
  EXPECT_THAT(signature([](json* g) {
                (*g)["graph"]["outputs"].clear();
                (*g)["signature"]["output_specs"].clear();
              }),
              HasSubstr("gives back no tensor"));
  EXPECT_THAT(signature([](json* g) {
                (*g)["signature"]["output_specs"][0]["user_output"]["arg"]["as_tensor"]["name"] =
                    "nowhere";
              }),
              HasSubstr("nowhere"));
  EXPECT_THAT(signature([](json* g) { (*g)["signature"]["input_specs"].erase(0); }),
              HasSubstr("which nothing before makes"));
  EXPECT_THAT(signature([](json* g) {
                (*g)["signature"]["input_specs"][0]["parameter"]["parameter_name"] = "nowhere.w";
              }),
              HasSubstr("\"nowhere.w\", which the archive does not hold"));
  // What the operator policy denies, whatever form it comes in.
  EXPECT_THAT(
      NodeRefusal(
          "torch.ops.aten.relu.default",
          [](json* n) {
            (*n)["target"] = "torch.ops.aten.resize_.default";
            (*n)["inputs"].push_back({{"name", "size"}, {"arg", {{"as_ints", {1}}}}, {"kind", 1}});
          }),
      HasSubstr("not allowed: aten::resize_"));
}

TEST_F(ExportedTest, NamesMayNotRunAway) {
  const auto renamed = [&](const std::string& name) {
    return Refusal([&](std::map<std::string, std::string>* records) {
      for (const char* record : {kProgram, kWeightsConfig}) {
        (*records)[record] = absl::StrReplaceAll(
            records->at(record), {{"\"conv1.bias\"", absl::StrCat("\"", name, "\"")}});
      }
    });
  };
  std::string deep = "a";
  for (int i = 0; i < 1000; ++i) deep += ".a";
  for (const std::string& name : {deep, std::string(""), std::string("."), std::string("a..b"),
                                  std::string("conv1.weight.bias"), std::string("conv1")}) {
    EXPECT_THAT(renamed(name), Not(HasSubstr("INTERNAL"))) << name;
  }
}

// A damaged file is refused, or its logits are those of the whole one; it never crashes.
TEST_F(ExportedTest, FindsDamage) {
  const std::string whole = ReadFileBytes(DataPath("cnn_core.pt2"));
  const at::Tensor inputs = at::ones({2, 1, 12, 12});
  const LoadOptions options{"", ExportedSampleShape()};
  const at::NoGradGuard no_grad;
  const at::Tensor expected =
      (*LoadBytes(whole, options))->Forward(inputs, Mode::kEvaluation).logits;
  int refused = 0;
  for (size_t i = 0; i < 200; ++i) {
    std::string damaged = whole;
    const size_t position = whole.size() * i / 200;
    damaged[position] ^= 1 << (i % 8);
    auto model = LoadBytes(damaged, options);
    if (!model.ok()) {
      EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << position;
      ++refused;
      continue;
    }
    EXPECT_EQ(Difference((*model)->Forward(inputs, Mode::kEvaluation).logits, expected), 0)
        << position;
    EXPECT_TRUE((*model)->Save(ScratchPath("damaged.pt2")).ok());
  }
  EXPECT_GT(refused, 100);
}

// With sums that are right, so that the readers behind the archive see the damage.
TEST_F(ExportedTest, NoMutationOfTheProgramCrashes) {
  std::mt19937 random(1);
  for (const char* file : {"cnn_training.pt2", "cnn_core.pt2", "attention.pt2"}) {
    const auto whole = Records(DataPath(file));
    for (int i = 0; i < 150; ++i) {
      auto records = whole;
      std::string& text = records[i % 3 == 0 ? kWeightsConfig : kProgram];
      const size_t position = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[position] ^= 1 << (random() % 7);
          break;
        case 1:
          text.erase(position, 1 + random() % 40);
          break;
        case 2:
          text.insert(position, text.substr(random() % text.size(), random() % 40));
          break;
        case 3: {  // another number
          const size_t digit = text.find_first_of("0123456789", position);
          if (digit != std::string::npos) text[digit] = static_cast<char>('0' + random() % 10);
          break;
        }
      }
      const auto model = LoadBytes(Archive(records), {});
      if (!model.ok()) {
        EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << model.status();
      }
    }
    // Whole parts of the document in each other's places.
    for (int i = 0; i < 100; ++i) {
      auto records = whole;
      json program = json::parse(records.at(kProgram));
      const json flat = program.flatten();
      std::vector<std::string> paths;
      for (const auto& [path, value] : flat.items()) {
        if (!absl::StrContains(path, "/tensor_values/")) paths.push_back(path);
      }
      json::json_pointer to(paths[random() % paths.size()]), from(paths[random() % paths.size()]);
      for (uint32_t up = random() % 4; up > 0 && !to.empty(); --up) to.pop_back();
      for (uint32_t up = random() % 4; up > 0 && !from.empty(); --up) from.pop_back();
      const json part = program[from];
      program[to] = part;
      records[kProgram] = program.dump();
      const auto model = LoadBytes(Archive(records), {});
      if (!model.ok()) {
        EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << model.status();
      }
    }
  }
}

}  // namespace
}  // namespace acclimate::model
