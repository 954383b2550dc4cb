#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/table/csv_file.h"
#include "core/data/table/table_coding.h"
#include "core/data/table/table_reader.h"

namespace acclimate::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A mapped file of this text, which no longer has a name.
std::shared_ptr<io::MappedFile> TextFile(const std::string& text) {
  char path[] = "/tmp/acclimate_table_XXXXXX";
  const int fd = mkstemp(path);
  unlink(path);
  EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  auto file = io::MappedFile::FromDescriptor(fd, "t.csv").value();
  close(fd);
  return file;
}

std::vector<std::vector<std::string>> RowsOf(const std::string& text) {
  const CsvFile csv = CsvFile::Open(TextFile(text)).value();
  std::vector<std::vector<std::string>> rows;
  const absl::Status status = csv.ReadRows([&](const auto& fields, int64_t) {
    rows.emplace_back(fields.begin(), fields.end());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return rows;
}

// What reading the header or the rows says.
std::string CsvError(const std::string& text) {
  const absl::StatusOr<CsvFile> csv = CsvFile::Open(TextFile(text));
  if (!csv.ok()) return std::string(csv.status().message());
  return std::string(
      csv->ReadRows([](const auto&, int64_t) { return absl::OkStatus(); }).message());
}

TableCoding CodingOf(const std::string& text, const TableOptions& options = {}) {
  return MakeTableCoding(CsvFile::Open(TextFile(text)).value(), options).value();
}

std::string CodingError(const std::string& text, const TableOptions& options = {}) {
  return std::string(
      MakeTableCoding(CsvFile::Open(TextFile(text)).value(), options).status().message());
}

absl::StatusOr<TableSamples> SamplesOf(const std::string& text, const TableCoding& coding) {
  return ReadTable(CsvFile::Open(TextFile(text)).value(), coding, {});
}

TEST(CsvFileTest, ReadsQuotesBlankLinesAndEveryEndOfLine) {
  EXPECT_THAT(RowsOf("\xEF\xBB\xBF"
                     "a,\"b,c\"\r\n1,\"x \"\"y\"\"\nz\"\r\n\r\n2,  3 "),
              ElementsAre(ElementsAre("1", "x \"y\"\nz"), ElementsAre("2", "3")));
}

TEST(CsvFileTest, FindsTheDelimiter) {
  EXPECT_THAT(RowsOf("a;\"b,c,d\"\n1,5;2\n"), ElementsAre(ElementsAre("1,5", "2")));
  EXPECT_THAT(RowsOf("a\tb\n\t2\n"), ElementsAre(ElementsAre("", "2")));
}

TEST(CsvFileTest, NamesTheLineAtFault) {
  EXPECT_EQ(CsvError("a,b\n1,2\n\n\"x\ny\",3\n4\n"), "t.csv: line 6 has 1 fields, the header 2");
  EXPECT_THAT(CsvError("a,b\n1,2\n3,\"4\n"), HasSubstr("line 3: a quote is opened and never"));
  EXPECT_THAT(CsvError("a,b\n1,x\"y\n"), HasSubstr("line 2: a quote is out of place"));
  EXPECT_THAT(CsvError("a,b\n1,\xE9\n"), HasSubstr("line 2 holds text that is not UTF-8"));
  EXPECT_THAT(CsvError("1,2\n3,4\n"), HasSubstr("the first line must name the columns"));
  EXPECT_THAT(CsvError("a,b,a\n"), HasSubstr("two columns \"a\""));
  EXPECT_THAT(CsvError("a,,b\n"), HasSubstr("column 2 of 3 has no name"));
}

TEST(CsvFileTest, OtherFormatsAreNone) {
  EXPECT_TRUE(LooksLikeCsv("a,b\n1,2\n"));
  EXPECT_FALSE(LooksLikeCsv(std::string("PK\3\4", 4)));
  EXPECT_FALSE(LooksLikeCsv(std::string("\x10\0\0\0\0\0\0\0{}", 10)));
  EXPECT_FALSE(LooksLikeCsv(""));
}

TEST(TableTest, CodesNumbersAsTheyAreAndTextsByCategory) {
  const std::string text = ",age,port,y\n0,31,S,yes\n1,2.5e1,C,no\n2,40,S,no\n";
  const TableCoding coding = CodingOf(text, {"y", {}, {}, ""});
  EXPECT_EQ(coding.features(), 3);
  const absl::StatusOr<TableSamples> samples = SamplesOf(text, coding);
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_TRUE(samples->inputs.equal(
      at::tensor({31.f, 0.f, 1.f, 25.f, 1.f, 0.f, 40.f, 0.f, 1.f}).view({3, 3})));
  std::vector<std::string> names;
  EXPECT_TRUE(samples->labels.ToClasses("t", true, names).value().equal(at::tensor({1, 0, 0})));
  EXPECT_THAT(names, ElementsAre("no", "yes"));
}

TEST(TableTest, ALaterFileIsCodedAlike) {
  const TableCoding coding =
      TableCodingFromJson(ToJson(CodingOf("age,port\n31,S\n25,C\n"))).value();
  // Other columns, another order, a category more.
  const absl::StatusOr<TableSamples> later = SamplesOf("fare,port,age\n9,Q,7\n9,S,8\n", coding);
  ASSERT_TRUE(later.ok()) << later.status();
  EXPECT_TRUE(later->inputs.equal(at::tensor({7.f, 0.f, 0.f, 8.f, 0.f, 1.f}).view({2, 3})));
  ASSERT_EQ(later->warnings.size(), 2u);
  EXPECT_THAT(later->warnings[0], HasSubstr("does not know are left out: fare"));
  EXPECT_THAT(later->warnings[1], HasSubstr("1 rows have a category in \"port\" that the model "
                                            "does not know, first \"Q\" on line 2"));
  EXPECT_THAT(std::string(SamplesOf("port,a\nS,1\n", coding).status().message()),
              HasSubstr("lacks the column age; has port, a"));
  EXPECT_THAT(std::string(SamplesOf("port,age\nS,old\n", coding).status().message()),
              HasSubstr("line 2: \"old\" in the column \"age\" is no finite number"));
}

TEST(TableTest, MissingValuesAreRefusedWithTheirCountOrMeans) {
  const std::string text = "a,b\n1,x\nNA,y\n5,?\n,x\n";
  EXPECT_EQ(CodingError(text),
            "t.csv: 3 values are missing, first on line 3 (by column: \"a\" 2, \"b\" 1); fill "
            "them, or give missing = mean");
  const TableCoding coding = CodingOf(text, {"", {}, {}, "mean"});
  const absl::StatusOr<TableSamples> samples = SamplesOf(text, coding);
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_EQ(samples->inputs[1][0].item<float>(), 3);
  EXPECT_NEAR(samples->inputs[2][1].item<float>(), 2.0 / 3, 1e-6);
  EXPECT_THAT(samples->warnings, ElementsAre(HasSubstr("3 missing values are the mean")));
}

TEST(TableTest, OptionsNameColumns) {
  const std::string text = "a,b,c\n1,2,x\n3,4,y\n";
  EXPECT_EQ(CodingOf(text, {"", {"c"}, {"b"}, ""}).features(), 3);
  EXPECT_THAT(CodingError(text, {"", {"d"}, {}, ""}),
              HasSubstr("ignored_columns: there is no column \"d\"; there are: a, b, c"));
  EXPECT_THAT(CodingError(text, {"", {"a", "b", "c"}, {}, ""}), HasSubstr("no column is left"));
}

TEST(TableTest, AColumnOfFreeTextIsNoCategory) {
  std::string text = "name\n";
  for (int i = 0; i < 300; ++i) absl::StrAppend(&text, "n", i, "\n");
  EXPECT_THAT(CodingError(text), HasSubstr("column \"name\" has more than 256 different values, "
                                           "which are no numbers (\"n0\" on line 2)"));
}

TEST(TableTest, ADamagedCodingIsRefused) {
  EXPECT_FALSE(TableCodingFromJson(nlohmann::json::parse("{}")).ok());
  EXPECT_FALSE(
      TableCodingFromJson(
          nlohmann::json::parse(
              R"({"columns":[{"name":"a","means":[1,2]}],"label_column":"","missing":""})"))
          .ok());
}

TEST(ClassTextsTest, GoByNamesThenByNumbersThenMakeNames) {
  const auto texts = [](const std::vector<std::string>& all) {
    ClassTexts result;
    for (const std::string& text : all) result.Add(text, "line 9");
    return result;
  };
  std::vector<std::string> none, names = {"cat", "dog"};
  EXPECT_TRUE(
      texts({"2", "0", "1.0"}).ToClasses("t", true, none).value().equal(at::tensor({2, 0, 1})));
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(texts({"dog", "cat"}).ToClasses("t", true, names).value().equal(at::tensor({1, 0})));
  EXPECT_TRUE(texts({"1", "1"}).ToClasses("t", true, names).value().equal(at::tensor({1, 1})));
  EXPECT_EQ(texts({"dog", "bird"}).ToClasses("t", true, names).status().message(),
            "t: line 9: the label \"bird\" is none of the model's classes: cat, dog");
  EXPECT_THAT(std::string(texts({"0.5"}).ToClasses("t", true, none).status().message()),
              HasSubstr("the label 0.5 is no whole number"));
  // Folders named by numbers are names in the order of their bytes, as torchvision has them.
  EXPECT_TRUE(texts({"2", "10"}).ToClasses("t", false, none).value().equal(at::tensor({1, 0})));
}

}  // namespace
}  // namespace acclimate::data
