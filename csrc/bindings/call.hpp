// From Python's arguments to a kernel's call: a list of addresses and a tuple of numbers fill the pointers and the numbers of
// its struct (core/kernels.hpp), each in the order of the fields. longspike/kernels/native.py calls, and vouches for them.
#pragma once
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "bindings/bindings.hpp"
#include "core/interrupts.hpp"

namespace longspike {

class Arguments {
public:
    Arguments(const char* name, nb::list addresses, nb::tuple numbers)
        : name_(name), addresses_(std::move(addresses)), numbers_(std::move(numbers)) {}

    template <class Field> Field next() {
        if constexpr (std::is_pointer_v<Field>)
            return reinterpret_cast<Field>(nb::cast<Address>(of(addresses_, next_address_++)));
        else if constexpr (std::is_same_v<Field, bool>)
            return nb::cast<bool>(of(numbers_, next_number_++));
        else if constexpr (std::is_floating_point_v<Field>)
            return static_cast<Field>(nb::cast<double>(of(numbers_, next_number_++)));
        else
            return static_cast<Field>(nb::cast<i64>(of(numbers_, next_number_++)));
    }

    void expect_all_taken() const {
        if (next_address_ != addresses_.size() || next_number_ != numbers_.size()) refuse();
    }

private:
    template <class Sequence> nb::handle of(const Sequence& x, std::size_t k) const {
        if (k >= x.size()) refuse();
        return x[k];
    }

    [[noreturn]] void refuse() const {
        throw nb::value_error((std::string(name_) + ": " + std::to_string(addresses_.size()) + " tensors and " +
                               std::to_string(numbers_.size()) + " numbers are not what the kernel takes")
                                  .c_str());
    }

    const char* name_;
    nb::list addresses_;
    nb::tuple numbers_;
    std::size_t next_address_ = 0, next_number_ = 0;
};

// Becomes whatever scalar a field is: the next argument of its kind. A struct in a struct is filled field by field.
struct Next {
    Arguments* from;
    template <class Field>
        requires std::is_scalar_v<Field>
    operator Field() const {
        return from->next<Field>();
    }
};

// How many scalars make a T.
template <class T, class... Fields> constexpr std::size_t num_fields() {
    if constexpr (requires { T{Fields{}..., Next{}}; })
        return num_fields<T, Fields..., Next>();
    else
        return sizeof...(Fields);
}

template <class T> T filled(Arguments& arguments) {
    if constexpr (std::is_scalar_v<T>)
        return arguments.next<T>();
    else
        return [&]<std::size_t... k>(std::index_sequence<k...>) {
            return T{((void)k, Next{&arguments})...};  // in order: that is promised between braces
        }(std::make_index_sequence<num_fields<T>()>{});
}

template <class Result, class... Parts> std::tuple<std::remove_cvref_t<Parts>...> parts_of(Result (*)(Parts...));

// Binds the function that `pick` finds when it is called: for a kernel, in the table of the instruction set in use. `give`
// makes a result for Python.
template <class Pick, class Give> void bind_call(nb::module_& m, const std::string& name, Pick pick, Give give) {
    m.def(name.c_str(), [pick, give, name](nb::list addresses, nb::tuple numbers) {
        using Parts = decltype(parts_of(pick()));
        Arguments arguments(name.c_str(), std::move(addresses), std::move(numbers));
        const Parts parts = [&]<std::size_t... k>(std::index_sequence<k...>) {
            return Parts{filled<std::tuple_element_t<k, Parts>>(arguments)...};
        }(std::make_index_sequence<std::tuple_size_v<Parts>>{});
        arguments.expect_all_taken();
        const auto run = [&] {
            const nb::gil_scoped_release nogil;
            const Interruptible call(ask_program);
            return std::apply(pick(), parts);
        };
        if constexpr (std::is_void_v<decltype(run())>)
            run();
        else
            return give(run());
    });
}

template <class Pick> void bind_call(nb::module_& m, const std::string& name, Pick pick) {
    bind_call(m, name, pick, [](auto found) { return found; });
}

}  // namespace longspike
