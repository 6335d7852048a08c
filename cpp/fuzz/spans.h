// Mutations of JSON as text: every value is a span of characters that can be replaced as a whole.
#pragma once

#include <string>

#include "check/check.h"  // Random

namespace niwaki::fuzz {

// Replaces, deletes, doubles or swaps one value of `text`; new ones are awkward numbers and words,
// or a value found in `other`. The result is JSON mostly, not always.
void mutate_json(std::string& text, const std::string& other, check::Random& random);

}  // namespace niwaki::fuzz
