# Read by CTest after the list of tests. catch_discover_tests takes one variable for ENVIRONMENT, and a second one for the
# name of another property, without a word.
if(DEFINED tidesync_pooled_tests AND NOT tidesync_pooled_tests)
    message(FATAL_ERROR "no test would run behind PgBouncer: the tags in tests/CMakeLists.txt match none")
endif()
foreach(test IN LISTS tidesync_pooled_tests)
    set_tests_properties("${test}" PROPERTIES ENVIRONMENT
        "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_LIST_DIR}/lsan.supp:print_suppressions=0;TIDESYNC_TEST_POOLED=1;TIDESYNC_RANDOM_WORLDS=20")
endforeach()
