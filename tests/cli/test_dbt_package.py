def test_it_prints_the_lines_of_packages_yml(run, run_json, shop):
    printed = run("dbt-package", "packages/foresql").stdout
    assert "packages:\n  - local: packages/foresql\n" in printed
    (shop / "packages/foresql/README.md").write_text("mine")
    printed = run("dbt-package", "packages/foresql").stdout
    assert "You had edited README.md: your text is packages/foresql/README.md.kept now." in printed
    found = run_json("dbt-package", "packages/foresql")
    assert found["kept"] == []
    assert (found["folder"], found["packages"]) == (
        "packages/foresql",
        "packages:\n  - local: packages/foresql\n",
    )


def test_a_folder_of_something_else_is_an_error(run_json, shop):
    (shop / "mine").mkdir()
    (shop / "mine/file").touch()
    assert "is not empty" in run_json("dbt-package", "mine", code=1)["error"]["message"]
