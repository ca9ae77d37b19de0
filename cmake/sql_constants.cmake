# Makes every listed .sql file a constant: queries/find_run.sql becomes <namespace>::find_run in <header>.
#   tidesync_sql_constants(<interface target> <header> <namespace> <header of struct statement> <file.sql>...)
function(tidesync_sql_constants target header namespace statement_header)
    set(output ${PROJECT_BINARY_DIR}/generated/${header})
    set(files)
    foreach(file IN LISTS ARGN)
        list(APPEND files ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    endforeach()
    add_custom_command(
        OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DNAMESPACE=${namespace} -DSTATEMENT_HEADER=${statement_header}
                "-DFILES=${files}"
                -P ${PROJECT_SOURCE_DIR}/cmake/write_sql_constants.cmake
        DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/write_sql_constants.cmake
        COMMENT "SQL files into ${header}" VERBATIM)
    string(MAKE_C_IDENTIFIER ${header} header_target)
    add_custom_target(${target}_${header_target} DEPENDS ${output})
    add_dependencies(${target} ${target}_${header_target})
    target_include_directories(${target} INTERFACE ${PROJECT_BINARY_DIR}/generated)
endfunction()
