"""What pyproject.toml cannot say: `assets/` is installed as part of the package `lmeran`."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["lmeran*", "train*", "app*"]), "lmeran._assets"],
    package_dir={"lmeran._assets": "assets"},
    package_data={
        "lmeran._assets": ["checkpoint/*", "examples/*"],
        "app": ["static/*", "static/*/*"],
        "train": ["**/*.yaml", "**/*.jinja"],
    },
)
