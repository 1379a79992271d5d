"""Sphinx: what is written in docs/, docstrings and examples/, as one site."""

import os
import tomllib
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # workers of examples start TensorFlow, too

from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - to link to what it shows
from sphinx_gallery.sorting import ExplicitOrder
from sphobjinv import compress, writebytes

from skfashion import __version__

project = "skfashion"
author = "The skfashion developers"
project_copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "auto_examples/*.py*"]
templates_path = ["templates"]
nitpicky = True
default_role = "literal"
highlight_language = "none"  # what follows two colons is what a command prints

# Docstrings
autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it, and more
autodoc_default_options = {"inherited-members": None}
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # words that are no types
numpydoc_xref_aliases = {
    "Comparison": "skfashion.comparison.Comparison",
    "FashionCNN": "skfashion.FashionCNN",
    "Axes": "matplotlib.axes.Axes",
    "Colormap": "matplotlib.colors.Colormap",
    "GridSearchCV": "sklearn.model_selection.GridSearchCV",
    "Figure": "matplotlib.figure.Figure",
    "Pipeline": "sklearn.pipeline.Pipeline",
    "Bunch": "sklearn.utils.Bunch",
    "DataFrame": "pandas.DataFrame",
    "Series": "pandas.Series",
}

# Links to others. Without the net they come from our own lists of the names that are linked to.
for names in Path("inventories").glob("*.txt"):
    writebytes(names.with_suffix(".inv"), compress(names.read_bytes()))
intersphinx_mapping = {
    name: (url, (None, f"inventories/{name}.inv"))
    for name, url in {
        "matplotlib": "https://matplotlib.org/stable",
        "numpy": "https://numpy.org/doc/stable",
        "pandas": "https://pandas.pydata.org/docs",
        "python": "https://docs.python.org/3",
        "scipy": "https://docs.scipy.org/doc/scipy",
        "sklearn": "https://scikit-learn.org/stable",
    }.items()
}
intersphinx_timeout = 10

# Gallery
pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
repository = pyproject["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]
owner, name = repository.split("/")[-2:]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_first_fit.py",
            "plot_pipelines.py",
            "plot_grid_search.py",
            "plot_halving.py",
            "plot_optuna.py",
            "plot_epoch_path.py",
            "plot_averaging.py",
            "plot_dask.py",
            "plot_learning_curves.py",
            "plot_overfitting.py",
            "plot_comparison.py",
            "plot_errors.py",
            "plot_occlusion.py",
            "plot_features.py",
            "plot_calibration.py",
            "plot_conformal.py",
            "plot_ensembles.py",
            "plot_photo.py",
            "plot_deploying.py",
        ]
    ),
    "doc_module": ("skfashion",),
    "reference_url": {"skfashion": None},
    "backreferences_dir": "generated/backreferences",
    "remove_config_comments": True,
    "write_computation_times": False,  # each page says its own
    "show_memory": False,
    "abort_on_example_error": True,
    "matplotlib_animations": False,
    # The links open the notebooks of the published site, which is a branch of the repository.
    "binder": {
        "binderhub_url": "https://mybinder.org",
        "org": owner,
        "repo": name,
        "branch": "gh-pages",
        "dependencies": ["binder/requirements.txt", "binder/runtime.txt"],
        "use_jupyter_lab": True,
    },
}
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 150)]

# Pages
toc_object_entries_show_parents = "hide"  # of FashionCNN.fit() only fit() fits into the sidebar
html_theme = "pydata_sphinx_theme"
html_context = {"default_mode": "auto"}
html_logo = html_favicon = "_static/logo.svg"
html_title = f"skfashion {version}"
html_static_path = ["_static"]
html_css_files = ["skfashion.css"]
html_show_sourcelink = False
html_use_index = html_domain_indices = False  # the reference and the search do better
html_theme_options = {
    "navbar_end": ["theme-switcher", "navbar-icon-links"],  # no version switcher: one version
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc", "sg_download_links", "sg_launcher_links"],
    "logo": {"text": "skfashion"},
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
html_sidebars = {
    "install": [],
    "tutorial": [],
    "whats_new": [],
    "contributing": [],
    "benchmarks": [],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
