"""The sandbox against recordings of api.clevertap.com, byte for byte.

Source: https://github.com/tradeo/clevertap-ruby/tree/master/spec/vcr_cassettes
"""

import pytest

PROFILE = {
    "Name": "John Rush",
    "Email": "example@gmail.com",
    "Gender": "M",
    "Phone": "+35922333232",
    "Employed": "Y",
    "Education": "Graduate",
    "Married": "Y",
    "Age": "18",
}


def a_profile(identity, ts, created_at, **changes):
    number = int(identity)
    data = {"identity": number, "created_at": created_at, **PROFILE, **changes}
    return {"identity": identity, "ts": ts, "type": "profile", "profileData": data}


def test_success_is_answered_as_recorded(caller, a_record):
    answer = caller.upload(a_record())

    assert answer.status_code == 200
    assert answer.content == (
        b'{ "status" : "success" , "processed" : 1 , "unprocessed" : [ ]}'
    )
    assert dict(answer.headers) == {
        "content-type": "application/json;charset=utf-8",
        "content-length": "63",
        "connection": "Close",
    }


def test_two_refused_profiles_are_answered_as_recorded_in_march_2018(caller):
    created = "2018-03-21 18:21:06 +0200"
    answer = caller.upload(
        a_profile("9", 1521649266, created, Education="223"),
        a_profile("10", 1521649266, created, Education="123"),
    )

    assert answer.text == (
        '{ "status" : "fail" , "processed" : 0 , "unprocessed" : [ { "status" : "fail"'
        ' , "code" : 518 , "error" : "Profile data is incorrect. Education needs to be'
        ' School/College/Graduate..Skipped record number : 1" , "record" : {'
        ' "identity" : "9" , "ts" : 1521649266 , "type" : "profile" , "profileData" :'
        ' { "identity" : 9 , "created_at" : "2018-03-21 18:21:06 +0200" , "Name" :'
        ' "John Rush" , "Email" : "example@gmail.com" , "Gender" : "M" , "Phone" :'
        ' 35922333232 , "Employed" : "Y" , "Education" : "223" , "Married" : "Y" ,'
        ' "Age" : "18"}}} , { "status" : "fail" , "code" : 518 , "error" : "Profile'
        " data is incorrect. Education needs to be School/College/Graduate..Skipped"
        ' record number : 2" , "record" : { "identity" : "10" , "ts" : 1521649266 ,'
        ' "type" : "profile" , "profileData" : { "identity" : 10 , "created_at" :'
        ' "2018-03-21 18:21:06 +0200" , "Name" : "John Rush" , "Email" :'
        ' "example@gmail.com" , "Gender" : "M" , "Phone" : 35922333232 , "Employed" :'
        ' "Y" , "Education" : "123" , "Married" : "Y" , "Age" : "18"}}}]}'
    )
    assert answer.headers["content-length"] == "1013"


def test_a_wrong_phone_number_is_echoed_unchanged_as_recorded(caller):
    answer = caller.upload(
        {
            "identity": "1414",
            "type": "profile",
            "profileData": {"ID": "1414", "Name": "John", "Phone": "+44+441234"},
        }
    )

    assert answer.text == (
        '{ "status" : "fail" , "processed" : 0 , "unprocessed" : [ { "status" : "fail"'
        ' , "code" : 516 , "error" : "Profile data is incorrect. Phone number is not'
        ' valid.Skipped record number : 1" , "record" : { "identity" : "1414" , "type"'
        ' : "profile" , "profileData" : { "ID" : "1414" , "Name" : "John" , "Phone" :'
        ' "+44+441234"}}}]}'
    )
    assert answer.headers["content-length"] == "323"


def test_the_form_of_march_2017_can_be_switched_on(sandbox, caller):
    sandbox.fault(tamper=["string_records", "success_status"])

    answer = caller.upload(
        {
            "identity": "",
            "ts": 1488804947,
            "type": "event",
            "evtData": {"User ID": 555, "mobile": True},
            "evtName": "register",
        }
    )

    assert answer.text == (
        '{ "status" : "success" , "processed" : 0 , "unprocessed" : [ { "status" :'
        ' "fail" , "code" : 523 , "error" : "\'identity\' or \'fbId\' or \'gpId\' or'
        " 'objectId' is necessary under 120 chars to identify the user. Skipped record"
        ' number : 1" , "record" : "{ \\"identity\\" : \\"\\" , \\"ts\\" : 1488804947 ,'
        ' \\"type\\" : \\"event\\" , \\"evtData\\" : { \\"User ID\\" : 555 , \\"mobile\\"'
        ' : true} , \\"evtName\\" : \\"register\\"}"}]}'
    )


def test_the_form_of_october_2017_can_be_switched_on(sandbox, caller):
    sandbox.switch(mutated_echoes=False)
    sandbox.fault(tamper=["keyed_entries", "success_status"])

    created = "2017-10-20 10:08:45 +0300"
    answer = caller.upload(
        a_profile("3", 1508483325, created),
        a_profile("4", 1508483325, created, Email="$$$$$"),
    )

    assert answer.text == (
        '{ "status" : "success" , "processed" : 1 , "unprocessed" : [ { "{'
        ' \\"identity\\" : \\"4\\" , \\"ts\\" : 1508483325 , \\"type\\" : \\"profile\\" ,'
        ' \\"profileData\\" : { \\"identity\\" : 4 , \\"created_at\\" : \\"2017-10-20'
        ' 10:08:45 +0300\\" , \\"Name\\" : \\"John Rush\\" , \\"Email\\" : \\"$$$$$\\" ,'
        ' \\"Gender\\" : \\"M\\" , \\"Phone\\" : \\"+35922333232\\" , \\"Employed\\" :'
        ' \\"Y\\" , \\"Education\\" : \\"Graduate\\" , \\"Married\\" : \\"Y\\" , \\"Age\\"'
        ' : \\"18\\"}}" : "Profile data is incorrect. Email is not valid.Skipped record'
        ' number : 2"}]}'
    )
    assert answer.headers["content-length"] == "501"


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (
            "X-CleverTap-Account-Id",
            b'{ "status" : "fail" , "error" : "Account ID is not valid" , "code" : 401}',
        ),
        (
            "X-CleverTap-Passcode",
            b'{ "status" : "fail" , "error" : "Invalid Credentials" , "code" : 401}',
        ),
    ],
)
def test_wrong_credentials_are_answered_as_recorded(
    sandbox, caller, a_record, header, body
):
    answer = caller.post(b'{"d":[]}', headers={header: "XXX-XXX-XXXX"})

    assert (answer.status_code, answer.content) == (401, body)
    assert sandbox.records() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"d":{}}',
        b'{"d":[NaN]}',
        b'{"d":[] /* comment */}',
        b'{"d":["\xff"]}',
        b'{"d":' + b"[" * 100_000,
        b'{"d":[' + b'{"a":' * 700 + b"1" + b"}" * 700 + b"]}",
    ],
)
def test_an_unreadable_body_is_answered_as_recorded(caller, body):
    answer = caller.post(body)

    assert answer.status_code == 400
    assert answer.content == (
        b'{ "status" : "fail" , "error" : "Malformed request" , "code" : 400}'
    )
