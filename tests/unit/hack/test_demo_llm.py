import pytest

from demo.llm import LLMChoice, LLMChoiceError, choose_llm


def test_without_anything_the_small_model_is_served_locally() -> None:
    choice = choose_llm({})
    assert choice == LLMChoice("openaiCompatible", "gemma-3-270m", None)
    assert choice.is_local


@pytest.mark.parametrize(("environ", "model"), [({}, "gpt-4o-mini"), ({"LLM_MODEL": "gpt-5"}, "gpt-5")])
def test_a_key_of_openai_takes_its_place(environ: dict[str, str], model: str) -> None:
    choice = choose_llm({"OPENAI_API_KEY": "sk-1", **environ})
    assert choice == LLMChoice("openai", model, "https://api.openai.com/v1", "sk-1")
    assert not choice.is_local


def test_another_endpoint_comes_first_with_its_own_key() -> None:
    environ = {"LLM_API_BASE": "http://vllm:8000/v1/", "LLM_MODEL": "m", "LLM_API_KEY": "own", "OPENAI_API_KEY": "sk-1"}
    assert choose_llm(environ) == LLMChoice("openaiCompatible", "m", "http://vllm:8000/v1", "own")


def test_another_endpoint_may_want_no_key() -> None:
    assert choose_llm({"LLM_API_BASE": "http://vllm:8000/v1", "LLM_MODEL": "m"}).api_key is None


def test_another_endpoint_without_a_model_is_refused_by_name() -> None:
    with pytest.raises(LLMChoiceError, match=r"LLM_API_BASE=http://vllm:8000/v1 needs LLM_MODEL"):
        choose_llm({"LLM_API_BASE": "http://vllm:8000/v1"})
