// SPDX-License-Identifier: Apache-2.0
#include "reference/reference_json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/core/digest.h"
#include "base/core/text.h"
#include "base/wire/json.h"
#include "reference/rhythm_json.h"

namespace outrider::reference {
namespace {

using detectors::Binning;
using detectors::FeatureKind;
using detectors::FrozenSubject;
using wire::Json;

// ---- writing

// JSON has no infinities; sums of squares of huge values are as large as can be instead.
double writable(double x) {
  if (x != x) return 0;
  return std::clamp(x, std::numeric_limits<double>::lowest(), std::numeric_limits<double>::max());
}

Json numbers(std::span<const double> values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(writable(value));
  return array;
}

Json write_subject(const FrozenSubject& subject) {
  const Binning& bins = subject.bins;
  const auto values = subject.counts.values(bins);
  Json json;
  json["name"] = subject.name;
  json["kind"] = to_string(bins.kind());
  json["hash"] = subject.hash;
  if (bins.kind() == FeatureKind::categorical) {
    json["categories"] = bins.categories();
    json["counts"] = std::vector<std::uint64_t>(values.begin(), values.end());
    json["missing"] = subject.counts.counts[bins.missing_slot()];
    json["rare"] = bins.rare();
    json["rare_complete"] = bins.rare_complete();
    return json;
  }
  json["range"] = {writable(subject.low), writable(subject.high)};
  json["mean"] = writable(subject.mean);
  json["deviation"] = writable(subject.deviation);
  json["edges"] = numbers(bins.edges());
  json["counts"] = std::vector<std::uint64_t>(values.begin(), values.end());
  for (std::size_t slot = bins.value_bins(); slot < bins.slots(); ++slot) {
    json[bins.bin_name(slot)] = subject.counts.counts[slot];
  }
  const detectors::TailSums& tails = subject.counts.tails;
  json["tails"] = {{"below", writable(tails.below)},
                   {"above", writable(tails.above)},
                   {"sum", writable(tails.sum)},
                   {"sum_squares", writable(tails.sum_squares)}};
  return json;
}

Json write_multivariate(const detectors::Reference& statistics) {
  const detectors::MultivariateReference& multivariate = *statistics.multivariate;
  const detectors::Pca& pca = multivariate.pca;
  Json json;
  json["features"] = Json::array();
  for (const std::size_t i : multivariate.features)
    json["features"].push_back(statistics.features[i].name);
  json["mean"] = numbers(pca.mean());
  json["deviation"] = numbers(pca.deviation());
  json["variances"] = numbers(pca.variances());
  json["vectors"] = Json::array();
  for (Eigen::Index j = 0; j < pca.vectors().cols(); ++j) {
    std::vector<double> direction;
    for (Eigen::Index i = 0; i < pca.vectors().rows(); ++i)
      direction.push_back(pca.vectors()(i, j));
    json["vectors"].push_back(numbers(direction));
  }
  json["scores"] = Json::array();
  for (const FrozenSubject& score : multivariate.scores)
    json["scores"].push_back(write_subject(score));
  json["tail_knots"] = numbers(multivariate.tails.knots());
  const auto anomaly = multivariate.anomaly.counts();
  json["anomaly"] = std::vector<std::uint64_t>(anomaly.begin(), anomaly.end());
  return json;
}

Json write_calibration(const detectors::Calibration& calibration) {
  const auto counts = calibration.counts();
  Json json;
  json["kind"] =
      calibration.kind() == detectors::Calibration::Kind::binary ? "binary" : "confidence";
  json["edges"] = numbers(calibration.bins().edges());
  json["rates"] = numbers(calibration.rates());
  json["counts"] = std::vector<std::uint64_t>(counts.begin(), counts.end());
  return json;
}

Json write_document(const ModelReference& reference) {
  const detectors::Reference& statistics = *reference.statistics;
  Json json;
  json["format"] = "outrider-reference";
  json["version"] = format_version;
  json["model"] = {{"name", reference.model_name},
                   {"version", reference.model_version},
                   {"kind", to_string(reference.kind)}};
  json["created"] = format_rfc3339(reference.created);
  json["source"] = reference.source;
  json["rows"] = statistics.rows;
  json["provisional"] = statistics.provisional;
  if (reference.accuracy) {
    const AccuracyReference& accuracy = *reference.accuracy;
    json["accuracy"] = {{"error_rate", writable(accuracy.error_rate)},
                        {"rows", accuracy.rows},
                        {"design_effect", writable(accuracy.design_effect)},
                        {"tolerance", writable(accuracy.tolerance)},
                        {"absolute_tolerance", writable(accuracy.absolute_tolerance)}};
  }
  if (!reference.classes.empty()) json["classes"] = reference.classes;
  json["features"] = Json::array();
  for (const FrozenSubject& feature : statistics.features)
    json["features"].push_back(write_subject(feature));
  if (statistics.prediction) json["prediction"] = write_subject(*statistics.prediction);
  if (statistics.multivariate) json["multivariate"] = write_multivariate(statistics);
  if (statistics.calibration) json["calibration"] = write_calibration(*statistics.calibration);
  if (statistics.timed) json["rhythm"] = write_rhythm(statistics);
  if (!reference.ignored.empty()) {
    json["ignored"] = Json::array();
    for (const IgnoredColumn& column : reference.ignored) {
      json["ignored"].push_back({{"name", column.name}, {"reason", column.reason}});
    }
  }
  return json;
}

std::string document_hash(const Json& without_hash) {
  return sha256_hex(wire::to_text(without_hash)).substr(0, 12);
}

// Objects over several lines, arrays of scalars on one: a person reads bins side by side.
void print(const Json& json, const std::string& indent, std::string& out) {
  const bool flat = json.is_primitive() || json.empty() ||
                    (json.is_array() && std::all_of(json.begin(), json.end(), [](const Json& item) {
                       return item.is_primitive();
                     }));
  if (flat) {
    out += wire::to_text(json);
    return;
  }
  const std::string inner = indent + "  ";
  out += json.is_array() ? "[" : "{";
  std::string_view comma = "\n";
  for (const auto& [key, value] : json.items()) {
    out += std::string(comma) + inner;
    if (json.is_object()) out += wire::to_text(key) + ": ";
    print(value, inner, out);
    comma = ",\n";
  }
  out += "\n" + indent + (json.is_array() ? "]" : "}");
}

// ---- reading

// Reads typed fields by path and keeps the first mistake; what is read after one is a default.
class Reader {
 public:
  struct Place {
    const Json* json;  // Null when absent.
    std::string path;
  };

  std::optional<Error> mistake;

  void refuse(const std::string& path, const std::string& what) {
    if (!mistake) mistake = Error{"bad_reference", "reference: " + path + ": " + what};
  }

  Place child(const Place& parent, const std::string& key) {
    const std::string path = parent.path.empty() ? key : parent.path + "." + key;
    if (!parent.json || !parent.json->is_object()) return {nullptr, path};
    const auto found = parent.json->find(key);
    return {found == parent.json->end() ? nullptr : &*found, path};
  }

  Place object(const Place& parent, const std::string& key) {
    Place place = child(parent, key);
    if (!place.json || !place.json->is_object()) {
      refuse(place.path, "expected an object");
      place.json = nullptr;
    }
    return place;
  }

  std::vector<Place> items(const Place& parent, const std::string& key, std::size_t most) {
    const Place place = child(parent, key);
    std::vector<Place> all;
    if (!place.json || !place.json->is_array() || place.json->size() > most) {
      refuse(place.path, "expected a list of at most " + std::to_string(most));
      return all;
    }
    for (std::size_t i = 0; i < place.json->size(); ++i) {
      all.push_back({&(*place.json)[i], place.path + "[" + std::to_string(i) + "]"});
    }
    return all;
  }

  double number(const Place& place) {
    if (!place.json || !place.json->is_number() || !std::isfinite(place.json->get<double>())) {
      refuse(place.path, "expected a number");
      return 0;
    }
    return place.json->get<double>();
  }
  double number(const Place& parent, const std::string& key) { return number(child(parent, key)); }

  std::uint64_t count(const Place& place) {
    // A count is exact as a double too, and a sum of all of them fits.
    constexpr std::uint64_t most = std::uint64_t{1} << 53;
    if (!place.json || !place.json->is_number_unsigned() ||
        place.json->get<std::uint64_t>() > most) {
      refuse(place.path, "expected a whole number from 0 to 2^53");
      return 0;
    }
    return place.json->get<std::uint64_t>();
  }
  std::uint64_t count(const Place& parent, const std::string& key) {
    return count(child(parent, key));
  }

  std::string text(const Place& place) {
    if (!place.json || !place.json->is_string()) {
      refuse(place.path, "expected a text");
      return "";
    }
    return place.json->get<std::string>();
  }
  std::string text(const Place& parent, const std::string& key) { return text(child(parent, key)); }

  bool boolean(const Place& parent, const std::string& key) {
    const Place place = child(parent, key);
    if (!place.json || !place.json->is_boolean()) {
      refuse(place.path, "expected true or false");
      return false;
    }
    return place.json->get<bool>();
  }

  std::vector<double> number_list(const Place& parent, const std::string& key, std::size_t most) {
    std::vector<double> values;
    for (const Place& item : items(parent, key, most)) values.push_back(number(item));
    return values;
  }
  std::vector<std::uint64_t> count_list(const Place& parent, const std::string& key,
                                        std::size_t most) {
    std::vector<std::uint64_t> values;
    for (const Place& item : items(parent, key, most)) values.push_back(count(item));
    return values;
  }
  std::vector<std::string> text_list(const Place& parent, const std::string& key,
                                     std::size_t most) {
    std::vector<std::string> values;
    for (const Place& item : items(parent, key, most)) values.push_back(text(item));
    return values;
  }

  FrozenSubject subject(const Place& place);
  std::optional<detectors::MultivariateReference> multivariate(
      const Place& place, const detectors::Reference& statistics);
  std::optional<detectors::Calibration> calibration(const Place& place);

  // The value of a nested parse, or nothing and its error with this place's path.
  template <class T>
  std::optional<T> take(const Place& place, Result<T> result) {
    if (!result) {
      refuse(place.path, result.error().message);
      return std::nullopt;
    }
    return std::move(*result);
  }

 private:
  void numeric_rest(const Place& place, FrozenSubject& subject);
};

void Reader::numeric_rest(const Place& place, FrozenSubject& subject) {
  const auto range = number_list(place, "range", 2);
  if (range.size() == 2 && range[0] <= range[1]) {
    subject.low = range[0];
    subject.high = range[1];
  } else {
    refuse(place.path + ".range", "expected the smallest and the largest value");
  }
  subject.mean = number(place, "mean");
  subject.deviation = number(place, "deviation");
  if (subject.deviation < 0) refuse(place.path + ".deviation", "expected a number >= 0");
  for (std::size_t slot = subject.bins.value_bins(); slot < subject.bins.slots(); ++slot) {
    subject.counts.counts[slot] = count(place, subject.bins.bin_name(slot));
  }
  const Place tails = object(place, "tails");
  subject.counts.tails = {number(tails, "below"), number(tails, "above"), number(tails, "sum"),
                          number(tails, "sum_squares")};
}

FrozenSubject Reader::subject(const Place& place) {
  const std::string name = text(place, "name");
  const std::string kind = text(place, "kind");
  const bool categorical = kind == "categorical";
  if (!categorical && kind != "numeric")
    refuse(place.path + ".kind", "expected numeric or categorical");
  auto bins = categorical
                  ? Binning::categorical(text_list(place, "categories", detectors::categories_max),
                                         text_list(place, "rare", detectors::rare_categories_max),
                                         boolean(place, "rare_complete"))
                  : Binning::numeric(number_list(place, "edges", detectors::value_bins_max - 1));
  if (!bins) {
    refuse(place.path, bins.error().message);
    bins = Binning::numeric({});
  }
  FrozenSubject subject(name, std::move(*bins));
  const auto counts = count_list(place, "counts", detectors::value_bins_max);
  if (counts.size() != subject.bins.value_bins()) {
    refuse(place.path + ".counts", "expected " + std::to_string(subject.bins.value_bins()) +
                                       " counts, one a bin, and found " +
                                       std::to_string(counts.size()));
    return subject;
  }
  std::copy(counts.begin(), counts.end(), subject.counts.counts.begin());
  if (categorical) {
    subject.counts.counts[subject.bins.missing_slot()] = count(place, "missing");
  } else {
    numeric_rest(place, subject);
  }
  subject.hash = subject_hash(subject.bins, subject.counts);
  const Place hash = child(place, "hash");
  if (hash.json && !mistake && text(hash) != subject.hash) {
    mistake = Error{"reference_hash",
                    "reference: " + place.path + ": its hash is " + subject.hash +
                        ", not what the file says: it was edited or damaged. Profile again, "
                        "or remove the \"hash\" keys to accept it as it is"};
  }
  return subject;
}

std::optional<detectors::MultivariateReference> Reader::multivariate(
    const Place& place, const detectors::Reference& statistics) {
  std::vector<std::size_t> features;
  for (const std::string& name : text_list(place, "features", features_max)) {
    const auto found = std::find_if(statistics.features.begin(), statistics.features.end(),
                                    [&](const FrozenSubject& f) { return f.name == name; });
    if (found == statistics.features.end()) {
      refuse(place.path + ".features", "'" + name + "' is no feature");
      return std::nullopt;
    }
    features.push_back(static_cast<std::size_t>(found - statistics.features.begin()));
  }
  const std::size_t d = features.size();
  auto variances = number_list(place, "variances", detectors::components_max);
  const std::size_t k = variances.size();
  std::vector<double> vectors(d * k);
  std::size_t j = 0;
  for (const Place& direction : items(place, "vectors", detectors::components_max)) {
    if (!direction.json->is_array() || direction.json->size() != d || j >= k) {
      refuse(direction.path, "expected one list a component, with a number for each feature");
      return std::nullopt;
    }
    for (std::size_t i = 0; i < d; ++i) {
      vectors[i * k + j] =
          number(Place{&(*direction.json)[i], direction.path + "[" + std::to_string(i) + "]"});
    }
    ++j;
  }
  if (j != k) refuse(place.path + ".vectors", "expected one list a component");
  if (mistake) return std::nullopt;
  auto pca = take(place, detectors::Pca::restore(number_list(place, "mean", d),
                                                 number_list(place, "deviation", d),
                                                 std::move(vectors), std::move(variances)));
  std::vector<FrozenSubject> scores;
  for (const Place& item : items(place, "scores", k + 2)) {
    scores.push_back(subject(item));
    if (scores.back().bins.kind() != FeatureKind::numeric)
      refuse(item.path, "expected kind numeric");
  }
  if (scores.size() != k + 2) refuse(place.path + ".scores", "expected one a component, t2 and q");
  auto tails =
      take(place, detectors::TailTable::restore(number_list(
                      place, "tail_knots", detectors::components_max * detectors::tail_knots)));
  if (tails && tails->components() != k)
    refuse(place.path + ".tail_knots", "expected 31 a component");
  auto anomaly = take(place, detectors::ConformalHistogram::restore(count_list(
                                 place, "anomaly", detectors::ConformalHistogram::bins)));
  if (mistake) return std::nullopt;
  return detectors::MultivariateReference{std::move(features), std::move(*pca), std::move(scores),
                                          std::move(*tails), *anomaly};
}

std::optional<detectors::Calibration> Reader::calibration(const Place& place) {
  const std::string kind = text(place, "kind");
  if (kind != "binary" && kind != "confidence")
    refuse(place.path + ".kind", "expected binary or confidence");
  return take(place, detectors::Calibration::restore(
                         kind == "binary" ? detectors::Calibration::Kind::binary
                                          : detectors::Calibration::Kind::confidence,
                         number_list(place, "edges", detectors::value_bins_max - 1),
                         number_list(place, "rates", detectors::value_bins_max),
                         count_list(place, "counts", detectors::value_bins_max)));
}

ModelKind model_kind(Reader& reader, const Reader::Place& model) {
  const std::string kind = reader.text(model, "kind");
  for (const ModelKind one :
       {ModelKind::unknown, ModelKind::regression, ModelKind::classification}) {
    if (kind == to_string(one)) return one;
  }
  reader.refuse("model.kind", "expected regression, classification or unknown");
  return ModelKind::unknown;
}

std::optional<AccuracyReference> read_accuracy(Reader& reader, const Reader::Place& root) {
  if (!reader.child(root, "accuracy").json) return std::nullopt;
  const Reader::Place place = reader.object(root, "accuracy");
  AccuracyReference accuracy{reader.number(place, "error_rate"), reader.count(place, "rows"),
                             reader.number(place, "design_effect"),
                             reader.number(place, "tolerance"),
                             reader.number(place, "absolute_tolerance")};
  if (accuracy.error_rate < 0 || accuracy.error_rate > 1) {
    reader.refuse("accuracy.error_rate", "expected a share from 0 to 1");
  }
  if (!(accuracy.design_effect > 0))
    reader.refuse("accuracy.design_effect", "expected a number > 0");
  if (accuracy.tolerance < 0 || accuracy.absolute_tolerance < 0) {
    reader.refuse("accuracy.tolerance", "expected numbers >= 0");
  }
  return accuracy;
}

detectors::Reference read_statistics(Reader& reader, const Reader::Place& root) {
  detectors::Reference statistics;
  statistics.rows = reader.count(root, "rows");
  statistics.provisional = reader.boolean(root, "provisional");
  for (const Reader::Place& item : reader.items(root, "features", features_max)) {
    FrozenSubject feature = reader.subject(item);
    const auto same = [&](const FrozenSubject& other) { return other.name == feature.name; };
    if (std::any_of(statistics.features.begin(), statistics.features.end(), same)) {
      reader.refuse(item.path + ".name", "'" + feature.name + "' appears twice");
    }
    statistics.features.push_back(std::move(feature));
    if (reader.mistake) return statistics;
  }
  if (const auto place = reader.child(root, "prediction"); place.json) {
    statistics.prediction = reader.subject(place);
    statistics.prediction->name = "prediction";
  }
  if (const auto place = reader.child(root, "multivariate"); place.json && !reader.mistake) {
    statistics.multivariate = reader.multivariate(place, statistics);
  }
  if (const auto place = reader.child(root, "calibration"); place.json && !reader.mistake) {
    statistics.calibration = reader.calibration(place);
  }
  if (const auto place = reader.child(root, "rhythm"); place.json && !reader.mistake) {
    auto timed = read_rhythm(*place.json, statistics);
    if (timed)
      statistics.timed = std::move(*timed);
    else
      reader.mistake = timed.error();
  }
  return statistics;
}

Result<Json> checked_document(std::string_view text) {
  if (text.size() > bytes_max) {
    return fail("bad_reference", "reference: larger than " + format_bytes(bytes_max));
  }
  auto json = wire::parse_json(text);
  if (!json) return fail(json.error().code, "reference: " + json.error().message);
  const auto format = json->is_object() ? json->find("format") : json->end();
  if (!json->is_object() || format == json->end() || *format != "outrider-reference") {
    return fail("bad_reference",
                "reference: format: expected \"outrider-reference\"; make the file with "
                "outrider profile or outrider-predictor train");
  }
  const auto version = json->find("version");
  if (version == json->end() || *version != format_version) {
    return fail("reference_version", "reference: version: expected " +
                                         std::to_string(format_version) +
                                         "; another release wrote the file");
  }
  return json;
}

}  // namespace

std::string to_json(const ModelReference& reference) {
  Json json = write_document(reference);
  json["hash"] = document_hash(json);
  std::string text;
  print(json, "", text);
  return text + "\n";
}

Result<ModelReference> parse(std::string_view text) {
  auto json = checked_document(text);
  if (!json) return fail(json);
  std::optional<Json> said;
  if (const auto found = json->find("hash"); found != json->end()) {
    said = *found;
    json->erase("hash");
  }
  ModelReference reference;
  reference.hash = document_hash(*json);
  if (said && *said != reference.hash) {
    return fail("reference_hash",
                "reference: hash: the document's is " + reference.hash +
                    ", not what the file says: it was cut, edited or damaged. Profile again, "
                    "or remove the \"hash\" keys to accept it as it is");
  }
  Reader reader;
  const Reader::Place root{&*json, ""};
  const Reader::Place model = reader.object(root, "model");
  reference.model_name = reader.text(model, "name");
  reference.model_version = reader.text(model, "version");
  reference.kind = model_kind(reader, model);
  reference.source = reader.text(root, "source");
  const auto created = parse_rfc3339(reader.text(root, "created"));
  if (!created) reader.refuse("created", "expected a time such as 2026-01-31T12:00:00.000Z");
  reference.created = created.value_or(Time{});
  reference.accuracy = read_accuracy(reader, root);
  if (reader.child(root, "classes").json)
    reference.classes = reader.text_list(root, "classes", features_max);
  auto statistics = read_statistics(reader, root);
  if (reader.child(root, "ignored").json) {
    for (const Reader::Place& item : reader.items(root, "ignored", features_max)) {
      reference.ignored.push_back({reader.text(item, "name"), reader.text(item, "reason")});
    }
  }
  if (reader.mistake) return Failure(*reader.mistake);
  reference.statistics = std::make_shared<const detectors::Reference>(std::move(statistics));
  return reference;
}

}  // namespace outrider::reference
